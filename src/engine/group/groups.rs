//! The groups of a stream.

use super::group::Group;
use crate::engine::Cursor;

/// A stream's groups, ordered by name. Few, as a rule: a sorted list is smaller and faster than a
/// map.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    by_name: Vec<(Box<[u8]>, Box<Group>)>,
}

impl Groups {
    /// The number of groups.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    #[inline]
    fn search(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    /// The group of this name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Group> {
        self.search(name).ok().map(|at| &*self.by_name[at].1)
    }

    /// The group of this name.
    #[inline]
    pub fn find_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        match self.search(name) {
            Ok(at) => Some(&mut *self.by_name[at].1),
            Err(_) => None,
        }
    }

    /// Adds a group; `false` when there is one of this name.
    pub fn create(&mut self, name: &[u8], group: Group) -> bool {
        match self.search(name) {
            Ok(_) => false,
            Err(at) => {
                self.by_name.insert(at, (name.into(), Box::new(group)));
                true
            }
        }
    }

    /// Removes a group; `false` when there is none of this name.
    pub fn destroy(&mut self, name: &[u8]) -> bool {
        self.search(name).map(|at| self.by_name.remove(at)).is_ok()
    }

    /// The groups in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.by_name.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The groups in the order of their names.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&[u8], &mut Group)> {
        self.by_name.iter_mut().map(|(name, group)| (&**name, &mut **group))
    }

    /// The places to which the groups have read are not to be relied on any more.
    pub(in crate::engine) fn forget_cursors(&mut self) {
        self.iter_mut().for_each(|(_, group)| group.cursor = Cursor::default());
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.by_name.capacity() * size_of::<(Box<[u8]>, Box<Group>)>()
            + self
                .by_name
                .iter()
                .map(|(name, group)| name.len() + size_of::<Group>() + group.heap_bytes())
                .sum::<usize>()
    }
}
