//! As whom a connection acts.

use std::sync::Arc;

use super::user::User;
use super::users::Users;

/// The user that a connection acts as, as it was when last looked at.
#[derive(Debug, Clone)]
pub struct Access {
    users: Arc<Users>,
    user: Arc<User>,
    generation: u64,
    is_restricted: bool,
}

impl Access {
    /// As the default user.
    pub fn new(users: &Arc<Users>) -> Self {
        // The generation is read first: a change in between is noticed later rather than never.
        let generation = users.generation();
        let user = users.default_user();
        Self { users: users.clone(), is_restricted: !user.is_unrestricted(), user, generation }
    }

    /// The user.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// All users.
    pub fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// Whether there is anything that it may not do.
    #[inline]
    pub fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// Whether no user has changed since.
    #[inline]
    pub fn is_current(&self) -> bool {
        self.generation == self.users.generation()
    }

    /// Acts as another user.
    pub fn become_user(&mut self, user: Arc<User>) {
        self.is_restricted = !user.is_unrestricted();
        self.user = user;
    }

    /// Takes over changes of the user; `false` when it is gone.
    pub fn refresh(&mut self) -> bool {
        self.generation = self.users.generation();
        match self.users.find(self.user.name()) {
            Some(user) => {
                self.become_user(user);
                true
            }
            None => false,
        }
    }
}
