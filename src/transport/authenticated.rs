//! The identity of a client, as found by a policy.

use std::fmt;

use bytestring::ByteString;

/// The identity of a client, as found by a policy. In the values of header policies, `{auth.user}`
/// stands for the user, `{auth.claim.NAME}` for a claim of a token, and `{auth.field.NAME}` for a
/// field in the answer of the authentication server.
#[derive(Clone, Default)]
pub struct Authenticated {
    user: Option<ByteString>,
    claims: Vec<(ByteString, ByteString)>,
    fields: Vec<(ByteString, ByteString)>,
}

impl Authenticated {
    /// Creates the identity of a user; `None` is a user without a name.
    pub fn new(user: Option<ByteString>) -> Self {
        Self {
            user,
            ..Self::default()
        }
    }

    /// Adds a claim.
    pub fn claim(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        self.claims.push((name.into(), value.into()));
    }

    /// Adds a field.
    pub fn field(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        self.fields.push((name.into(), value.into()));
    }

    /// Returns the name of the user; `None` if the user has none.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the value of a claim.
    pub fn claimed(&self, name: &str) -> Option<&str> {
        let claimed = self.claims.iter().find(|(other, _)| other == name);
        claimed.map(|(_, value)| &**value)
    }

    /// Returns the value of a field in the authentication server's answer. Case is ignored in
    /// `name`.
    pub fn given(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(other, _)| other.eq_ignore_ascii_case(name));
        field.map(|(_, value)| &**value)
    }

    /// Returns the value of a [variable](Self::is_variable).
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        match name.strip_prefix(PREFIX)? {
            USER => self.user(),
            name => match name.strip_prefix(CLAIM) {
                Some(name) => self.claimed(name),
                None => self.given(name.strip_prefix(FIELD)?),
            },
        }
    }

    /// True if this is the name of a variable: `auth.user`, `auth.claim.NAME` or `auth.field.NAME`.
    pub(super) fn is_variable(name: &str) -> bool {
        let is_named = |prefix: &str, name: &str| {
            let name = name.strip_prefix(prefix);
            name.is_some_and(|name| !name.is_empty())
        };
        let name = name.strip_prefix(PREFIX);
        name.is_some_and(|name| name == USER || is_named(CLAIM, name) || is_named(FIELD, name))
    }
}

const PREFIX: &str = "auth.";
const USER: &str = "user";
const CLAIM: &str = "claim.";
const FIELD: &str = "field.";

/// Personal data is not shown in debug output.
impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated").finish_non_exhaustive()
    }
}
