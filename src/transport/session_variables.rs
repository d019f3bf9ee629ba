//! What the session of a web app says of a client.

use std::fmt;
use std::sync::Arc;

/// What the session says that a client has with a web app, as a [policy](crate::Policy) has found it: in the
/// values of header policies, `{session.PATH}` stands for the value at a path. It belongs into the
/// [extensions](crate::Peer::extensions) of the peer.
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

/// Finds the value at a path.
trait Find: Fn(&str) -> Option<String> + Send + Sync {}

impl<F: Fn(&str) -> Option<String> + Send + Sync> Find for F {}

const PREFIX: &str = "session.";

impl SessionVariables {
    /// Those that this finds by their paths. It is asked for each field that needs one, and must not block.
    pub fn new(find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            find: Arc::new(find),
        }
    }

    /// The value at a path; `None` where there is none.
    pub fn get(&self, path: &str) -> Option<String> {
        (self.find)(path)
    }

    /// What a [variable](Self::is_variable) stands for.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.get(name.strip_prefix(PREFIX)?)
    }

    /// Whether this is the name of a variable: `session.PATH`.
    pub(super) fn is_variable(name: &str) -> bool {
        let path = name.strip_prefix(PREFIX);
        path.is_some_and(|path| !path.is_empty())
    }
}

/// What is known of people is shown nowhere but where it is asked for.
impl fmt::Debug for SessionVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionVariables").finish_non_exhaustive()
    }
}
