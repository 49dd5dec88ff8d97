//! Scripts and functions in Lua: the interpreters, what scripts can call in them, which scripts and libraries there are, and what is
//! running.
//!
//! Nothing here knows a command: who runs a script gives a [`Host`] that executes what the script calls. Two interpreters serve all
//! threads, one for scripts (EVAL) and one for functions (FCALL), each behind a lock, and made when it is first needed.
//!
//! | file | what |
//! |---|---|
//! | `scripting.rs` | [`Scripting`]: all of it together |
//! | `interpreter.rs`, `prelude.lua` | Lua, and the globals that scripts see |
//! | `api.rs` | what is in the table `redis` |
//! | `modules/` | `bit`, `cjson`, `cmsgpack`, `struct` |
//! | `from_reply.rs`, `to_reply.rs` | replies become values of Lua, and back |
//! | `shebang.rs` | a script's first line |
//! | `library.rs` | a library of functions |
//! | `running.rs` | what is running, and whether it is to end |

mod api;
mod error;
mod from_reply;
mod host;
mod interpreter;
mod library;
mod modules;
mod running;
mod scripting;
mod shebang;
mod to_reply;

pub use error::ScriptError;
pub use host::{Ended, Host, HostCall};
pub use library::{FunctionInfo, LibraryInfo};
pub use running::{KillRefusal, Kind, Running, RunningScript};
pub use scripting::{Arguments, Callable, Figures, RestorePolicy, Script, Scripting};
pub use shebang::{ScriptFlags, flags_of_script};
