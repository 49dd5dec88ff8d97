//! All users.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use parking_lot::RwLock;

use super::log::AccessLog;
use super::user::User;

/// The name of the user that connections begin as. It is always there.
pub const DEFAULT_USER: &[u8] = b"default";

/// All users, by name, and what was refused to them.
#[derive(Debug)]
pub struct Users {
    by_name: RwLock<BTreeMap<Vec<u8>, Arc<User>>>,
    /// Grows with each change.
    generation: AtomicU64,
    /// What was refused.
    pub log: AccessLog,
}

impl Default for Users {
    /// The one user that may do everything.
    fn default() -> Self {
        let default = Arc::new(User::unrestricted(DEFAULT_USER));
        Self {
            by_name: RwLock::new(BTreeMap::from([(DEFAULT_USER.to_vec(), default)])),
            generation: AtomicU64::new(0),
            log: AccessLog::default(),
        }
    }
}

impl Users {
    /// Grows whenever a user changed, came or went.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// The user of this name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.by_name.read().get(name).cloned()
    }

    /// The user that connections begin as.
    pub fn default_user(&self) -> Arc<User> {
        self.find(DEFAULT_USER).unwrap_or_else(|| Arc::new(User::new(DEFAULT_USER, false)))
    }

    /// Whether connections need not log in.
    pub fn is_open(&self) -> bool {
        let default = self.default_user();
        default.is_enabled() && default.needs_no_password()
    }

    /// All users, in the order of their names.
    pub fn list(&self) -> Vec<Arc<User>> {
        self.by_name.read().values().cloned().collect()
    }

    /// Changes a user, or makes one: `change` is given what there is, and what it returns takes its place. No other change
    /// comes between.
    ///
    /// # Errors
    /// What `change` returns; then nothing is changed.
    pub fn change<E>(
        &self,
        name: &[u8],
        change: impl FnOnce(Option<&User>) -> Result<User, E>,
    ) -> Result<(), E> {
        let mut users = self.by_name.write();
        let user = change(users.get(name).map(|user| &**user))?;
        users.insert(name.to_vec(), Arc::new(user));
        self.generation.fetch_add(1, Release);
        Ok(())
    }

    /// Gives the default user one password only, or none to need (the setting `requirepass`).
    pub fn set_default_password(&self, password: &[u8]) {
        let mut users = self.by_name.write();
        let mut user =
            users.get(DEFAULT_USER).map_or_else(|| User::new(DEFAULT_USER, false), |user| (**user).clone());
        user.set_only_password(password);
        users.insert(DEFAULT_USER.to_vec(), Arc::new(user));
        self.generation.fetch_add(1, Release);
    }

    /// Removes a user; whether there was one. The default user stays.
    pub fn remove(&self, name: &[u8]) -> bool {
        if name == DEFAULT_USER || self.by_name.write().remove(name).is_none() {
            return false;
        }
        self.generation.fetch_add(1, Release);
        true
    }

    /// Puts other users in the place of all. A default user that is not among them may do everything.
    pub fn replace_all(&self, users: Vec<User>) {
        let mut by_name: BTreeMap<Vec<u8>, Arc<User>> =
            users.into_iter().map(|user| (user.name().to_vec(), Arc::new(user))).collect();
        by_name.entry(DEFAULT_USER.to_vec()).or_insert_with(|| Arc::new(User::unrestricted(DEFAULT_USER)));
        *self.by_name.write() = by_name;
        self.generation.fetch_add(1, Release);
    }
}
