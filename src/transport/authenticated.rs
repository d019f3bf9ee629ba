//! Who a client is, as somebody has found out that lets it in.

use std::fmt;

use bytestring::ByteString;

/// Who a client is, as a policy has found out. In the values of header policies, `{auth.user}` stands for
/// the user, `{auth.claim.NAME}` for what a token claims, and `{auth.field.NAME}` for a field of the
/// answer of whoever was asked.
#[derive(Clone, Default)]
pub struct Authenticated {
    user: Option<ByteString>,
    claims: Vec<(ByteString, ByteString)>,
    fields: Vec<(ByteString, ByteString)>,
}

impl Authenticated {
    /// This user; `None` for one without a name.
    pub fn new(user: Option<ByteString>) -> Self {
        Self {
            user,
            ..Self::default()
        }
    }

    /// Adds what is claimed under a name.
    pub fn claim(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        self.claims.push((name.into(), value.into()));
    }

    /// Adds a field.
    pub fn field(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        self.fields.push((name.into(), value.into()));
    }

    /// The name of the user, where it has one.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What is claimed under a name.
    pub fn claimed(&self, name: &str) -> Option<&str> {
        let claimed = self.claims.iter().find(|(other, _)| other == name);
        claimed.map(|(_, value)| &**value)
    }

    /// The value of a field of whoever was asked, whatever the case of its name.
    pub fn given(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(other, _)| other.eq_ignore_ascii_case(name));
        field.map(|(_, value)| &**value)
    }

    /// What a [variable](Self::is_variable) stands for.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        match name.strip_prefix(PREFIX)? {
            USER => self.user(),
            name => match name.strip_prefix(CLAIM) {
                Some(name) => self.claimed(name),
                None => self.given(name.strip_prefix(FIELD)?),
            },
        }
    }

    /// Whether this is the name of a variable: `auth.user`, `auth.claim.NAME` or `auth.field.NAME`.
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

/// What is known of people is shown nowhere but where it is asked for.
impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated").finish_non_exhaustive()
    }
}
