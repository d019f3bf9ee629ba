//! The policy request of Flash.

use super::server;
use crate::POLYSOCK;

#[test]
fn answers_the_policy_request_of_flash_for_its_own_port() {
    let server = server();
    let policy = format!(
        "<?xml version=\"1.0\"?><cross-domain-policy><allow-access-from domain=\"*\" \
         to-ports=\"{}\"/></cross-domain-policy>\0",
        server.address.port()
    );
    for request in [
        "<policy-file-request/>\0",
        "<policy-file-request />\0",
        "<POLICY-FILE-REQUEST/>\0",
        "<policy-file-request/>",
    ] {
        let mut client = server.connect();
        client.send_bytewise(request);
        assert_eq!(client.rest(), policy.as_bytes(), "{request}");
    }
}

#[test]
fn answers_no_policy_request_by_default() {
    let server = POLYSOCK.echo(&[]);
    let mut client = server.connect();
    client.send("<policy-file-request/>\0");
    assert_eq!(client.rest(), b"");
}
