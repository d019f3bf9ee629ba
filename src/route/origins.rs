//! From which pages clients may connect.

use polysock_protocols::Rejection;

/// Which origins are let in (RFC 6455 §10.2). A browser always says where its page is from, and
/// a page cannot lie about it; other clients can say what they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin, and none.
    Any,
    /// These, compared without regard to case; `none` lets in clients that send no origin.
    Listed(Vec<String>),
}

impl Origins {
    /// Lets a client with this origin in, or says what it is answered with.
    ///
    /// # Errors
    ///
    /// The origin is not listed.
    pub fn check(&self, origin: Option<&str>) -> Result<(), Rejection> {
        let Self::Listed(list) = self else {
            return Ok(());
        };
        let origin = origin.unwrap_or("none");
        let mut listed = list.iter();
        if listed.any(|listed| listed.eq_ignore_ascii_case(origin)) {
            Ok(())
        } else {
            Err(Rejection::new(403, "this origin is not allowed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_origins_lets_in_exactly_those() {
        let origins = Origins::Listed(vec!["http://a.example".into()]);
        assert!(origins.check(Some("http://A.example")).is_ok());
        for other in [
            Some("http://b.example"),
            Some("http://a.example.evil"),
            Some("null"),
            None,
        ] {
            let rejection = origins.check(other).unwrap_err();
            assert_eq!(rejection.status, 403, "{other:?}");
        }
        assert!(Origins::Listed(vec!["none".into()]).check(None).is_ok());
        assert!(Origins::Any.check(None).is_ok());
    }
}
