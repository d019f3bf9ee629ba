//! The values of a web app's session.

use std::fmt;
use std::sync::Arc;

/// The values in the session that a client has with a web app, as found by a
/// [policy](crate::Policy). In the values of header policies, `{session.PATH}` stands for the value
/// at a path. They belong in the [extensions](crate::Peer::extensions) of the peer.
///
/// ```
/// use polysock::SessionVariables;
///
/// let variables = SessionVariables::new(|path| (path == "user_id").then(|| "42".to_owned()));
/// assert_eq!(variables.get("user_id").as_deref(), Some("42"));
/// ```
#[derive(Clone)]
pub struct SessionVariables {
    find: Arc<dyn Find>,
}

/// A function that finds the value at a path.
trait Find: Fn(&str) -> Option<String> + Send + Sync {}

impl<F: Fn(&str) -> Option<String> + Send + Sync> Find for F {}

const PREFIX: &str = "session.";

impl SessionVariables {
    /// Creates variables whose values `find` looks up by path. It is called for each field that
    /// needs a value, and must not block.
    pub fn new(find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            find: Arc::new(find),
        }
    }

    /// Returns the value at a path; `None` if there is none.
    pub fn get(&self, path: &str) -> Option<String> {
        (self.find)(path)
    }

    /// Returns the value of a [variable](Self::is_variable).
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.get(name.strip_prefix(PREFIX)?)
    }

    /// True if this is the name of a variable: `session.PATH`.
    pub(super) fn is_variable(name: &str) -> bool {
        let path = name.strip_prefix(PREFIX);
        path.is_some_and(|path| !path.is_empty())
    }
}

/// Personal data is not shown in debug output.
impl fmt::Debug for SessionVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionVariables").finish_non_exhaustive()
    }
}
