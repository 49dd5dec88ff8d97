//! Lists: just what it takes to hold a value that is neither a string nor a stream, so that programs that count on
//! being refused with WRONGTYPE are. They are real data, but not meant for more.

use std::collections::VecDeque;

/// The bytes up to which Redis keeps a list in one listpack, by its default.
const LISTPACK_BYTES_MAX: usize = 8192;
/// What a listpack takes beside its elements, and about what each element takes beside its text.
const LISTPACK_HEAD_BYTES: usize = 7;
const LISTPACK_ELEMENT_BYTES: usize = 2;

/// A list of texts.
#[derive(Debug, Clone, Default)]
pub struct ListValue {
    elements: VecDeque<Box<[u8]>>,
    text_bytes: usize,
}

impl ListValue {
    /// Puts an element before the others.
    pub fn push_front(&mut self, element: &[u8]) {
        self.elements.push_front(element.into());
        self.text_bytes += element.len();
    }

    /// Puts an element behind the others.
    pub fn push_back(&mut self, element: &[u8]) {
        self.elements.push_back(element.into());
        self.text_bytes += element.len();
    }

    /// Takes the first element away.
    pub fn pop_front(&mut self) -> Option<Box<[u8]>> {
        let element = self.elements.pop_front()?;
        self.text_bytes -= element.len();
        Some(element)
    }

    /// The number of elements.
    #[allow(clippy::len_without_is_empty, reason = "a list that is empty is not kept")]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// The elements, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.elements.iter().map(|element| &**element)
    }

    /// The name of Redis 7.2's encoding of such a list; about the limit it may be the other one.
    pub fn encoding(&self) -> &'static str {
        let bytes = LISTPACK_HEAD_BYTES + self.text_bytes + LISTPACK_ELEMENT_BYTES * self.len();
        if bytes <= LISTPACK_BYTES_MAX { "listpack" } else { "quicklist" }
    }

    /// Memory behind the struct, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.elements.capacity() * size_of::<Box<[u8]>>() + self.text_bytes
    }
}
