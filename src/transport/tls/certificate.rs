//! The contents of a certificate.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The subject of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateSubject {
    /// The distinguished name, as `CN=desk-7,O=Example` (RFC 4514).
    pub distinguished_name: String,
    /// The last common name in it; `None` if there is none.
    pub common_name: Option<String>,
    /// The alternative names: hosts, email addresses, URIs and IP addresses.
    pub names: Vec<String>,
}

/// The fields that are read from a certificate.
#[derive(Debug)]
pub(super) struct CertificateFields {
    pub(super) subject: CertificateSubject,
    /// The hosts that it is valid for, in lower case; `*.` stands for one label.
    pub(super) hosts: Vec<String>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// The object identifier of the key's algorithm, for example RSA.
    #[cfg(feature = "legacy-tls")]
    pub(super) key_algorithm: String,
}

impl CertificateFields {
    /// Reads a certificate in DER; `None` if it cannot be parsed.
    pub(super) fn by(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let to_be_signed = certificate.tbs_certificate();
        let common_name = to_be_signed.subject().common_name().ok().flatten();
        let common_name = common_name.map(|name| name.value().into_owned());
        let mut subject = CertificateSubject {
            distinguished_name: to_be_signed.subject().to_string(),
            common_name,
            names: Vec::new(),
        };
        let mut hosts = Vec::new();
        let alternatives = to_be_signed
            .get_extension::<SubjectAltName>()
            .ok()
            .flatten();
        for name in alternatives.into_iter().flat_map(|(_, names)| names.0) {
            match name {
                GeneralName::DnsName(host) => {
                    hosts.push(host.as_str().to_ascii_lowercase());
                    subject.names.push(host.as_str().to_owned());
                }
                GeneralName::Rfc822Name(address) => subject.names.push(address.as_str().to_owned()),
                GeneralName::UniformResourceIdentifier(uri) => {
                    subject.names.push(uri.as_str().to_owned());
                }
                GeneralName::IpAddress(octets) => subject.names.extend(ip(octets.as_bytes())),
                _ => {}
            }
        }
        if hosts.is_empty() {
            // Old certificates have their host in the common name only.
            hosts.extend(
                subject
                    .common_name
                    .iter()
                    .map(|name| name.to_ascii_lowercase()),
            );
        }
        let validity = to_be_signed.validity();
        Some(Self {
            subject,
            hosts,
            not_before: UNIX_EPOCH + validity.not_before.to_unix_duration(),
            not_after: UNIX_EPOCH + validity.not_after.to_unix_duration(),
            #[cfg(feature = "legacy-tls")]
            key_algorithm: to_be_signed
                .subject_public_key_info()
                .algorithm
                .oid
                .to_string(),
        })
    }
}

fn ip(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    Some(address.ok()?.to_string())
}
