//! What an upstream is told of a client.

use bytestring::ByteString;
use polysock_protocols::Fields;

use super::Client;

/// Where the client is: who is behind it stands first, and each proxy appends whom it sees.
const FOR: &str = "X-Forwarded-For";

/// `https` where a page sees `wss://`.
const PROTO: &str = "X-Forwarded-Proto";

/// The `Host` that the client named; to an upstream, `Host` is its own.
const HOST: &str = "X-Forwarded-Host";

/// The fields of a request that go on to an upstream: all that are end-to-end, and who asks. What a
/// proxy in front has said of that is kept, and its own address appended.
pub(super) fn forwarded(client: Client<'_>) -> Fields {
    let Client { request, peer } = client;
    let received = request.head.end_to_end();
    let mut fields = Fields::new();
    let mut path = String::new();
    let mut step = |address: &str| {
        if !path.is_empty() {
            path.push_str(", ");
        }
        path.push_str(address);
    };
    for (name, value) in received {
        if name.eq_ignore_ascii_case(FOR) {
            step(&String::from_utf8_lossy(&value));
        } else {
            fields.append(name, value);
        }
    }
    if let Some(address) = peer.address {
        // An IPv4 client of a socket that takes both is written as one.
        step(&address.ip().to_canonical().to_string());
    }
    if !path.is_empty() {
        fields.append(ByteString::from_static(FOR), path);
    }
    if !fields.has(PROTO) {
        let proto = if request.secure { "https" } else { "http" };
        fields.append(ByteString::from_static(PROTO), proto);
    }
    if !fields.has(HOST) {
        fields.append(
            ByteString::from_static(HOST),
            request.host.as_bytes().clone(),
        );
    }
    fields
}
