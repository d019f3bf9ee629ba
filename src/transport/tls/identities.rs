//! The certificates of a port, by host.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::CertificateFields;
use super::identity::Identity;

/// The certificates of a port. Each client gets the one for the host that it names. If it names
/// none, or an unknown host, it gets the first.
#[derive(Debug, Default)]
pub(super) struct Identities {
    first: Vec<Arc<CertifiedKey>>,
    /// The certificates by host. A host may have several, with keys of different kinds.
    by_host: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Identities {
    pub(super) fn new(identities: &[Identity]) -> Self {
        let mut sorted = Self::default();
        for Identity { certified, .. } in identities {
            let said = certified
                .cert
                .first()
                .and_then(|der| CertificateFields::by(der));
            let hosts = said.map(|said| said.hosts).unwrap_or_default();
            if sorted.first.is_empty() {
                sorted.first.push(Arc::clone(certified));
            }
            for host in hosts {
                let same = sorted.by_host.entry(host).or_default();
                let is_there = |other: &Arc<CertifiedKey>| Arc::ptr_eq(other, certified);
                if !same.iter().any(is_there) {
                    same.push(Arc::clone(certified));
                }
            }
        }
        // A client that names no host may also get a key of another kind.
        let first = sorted.first.first().cloned();
        let with_first = sorted
            .by_host
            .values()
            .filter(|same| same.first().map(Arc::as_ptr) == first.as_ref().map(Arc::as_ptr));
        if let Some(same) = with_first.max_by_key(|same| same.len()) {
            sorted.first = same.clone();
        }
        sorted
    }

    /// Returns the certificates for a host.
    fn find(&self, host: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let host = host.to_ascii_lowercase();
        let wildcard = || {
            let (_, parent) = host.split_once('.')?;
            self.by_host.get(&format!("*.{parent}"))
        };
        self.by_host.get(&host).or_else(wildcard)
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|host| self.find(host));
        let fit = named.unwrap_or(&self.first);
        let schemes = hello.signature_schemes();
        let can_sign =
            |identity: &&Arc<CertifiedKey>| identity.key.choose_scheme(schemes).is_some();
        fit.iter().find(can_sign).or(fit.first()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;

    use super::super::provider;
    use super::*;

    fn identity(hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let certificate = CertificateParams::new(hosts)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain = vec![certificate.der().clone()];
        let certified = CertifiedKey::from_der(chain, der.clone_key(), &provider());
        Identity {
            certified: Arc::new(certified.unwrap()),
            #[cfg(feature = "legacy-tls")]
            key: Arc::new(der),
        }
    }

    #[test]
    fn a_host_gets_its_certificate_and_a_wildcard_matches_one_label() {
        let all = [
            identity(&["first.test"]),
            identity(&["A.test", "b.test"]),
            identity(&["*.a.test"]),
            identity(&["b.test"]),
        ];
        let identities = Identities::new(&all);
        for (host, expected) in [
            ("first.test", Some(0)),
            ("a.test", Some(1)),
            ("B.TEST", Some(1)),
            ("x.a.test", Some(2)),
            ("X.A.Test", Some(2)),
            ("y.x.a.test", None),
            (".a.test", Some(2)),
            ("*.a.test", Some(2)),
            ("test", None),
            ("", None),
        ] {
            let found = identities.find(host).and_then(|found| found.first());
            let expected = expected
                .and_then(|at: usize| all.get(at))
                .map(|identity| &identity.certified);
            assert_eq!(found.map(Arc::as_ptr), expected.map(Arc::as_ptr), "{host}");
        }
        let first = all.first().map(|identity| &identity.certified);
        assert_eq!(
            identities.first.first().map(Arc::as_ptr),
            first.map(Arc::as_ptr)
        );
    }
}
