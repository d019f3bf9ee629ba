//! The ends of client connections.

use polysock_test_support::opening::{HIXIE_75, versioned};

use super::{hixie, hixie_76, open, server};

#[test]
fn delivers_messages_before_the_fin_of_a_hixie_75_client() {
    let mut server = server();
    let (mut client, _) = server.ask(HIXIE_75);
    client.send(hixie("last words"));
    client.finish();
    assert_eq!(client.rest(), hixie("last words"));
    // The FIN is the only close that hixie-75 has.
    assert!(server.log_line(" close ").contains("code=1005"));
}

#[test]
fn takes_the_ff_00_of_flash_which_hangs_up_immediately() {
    let mut server = server();
    let mut client = hixie_76(&server);
    client.send(b"\0bye\xff\xff\0");
    drop(client);
    assert!(server.log_line(" close ").contains("code=1005"));
}

#[test]
fn answers_the_empty_close_of_chrome_14_with_an_empty_one() {
    let server = server();
    let (mut client, _) = open(&server, versioned("8", ""));
    client.send(b"\x88\x80\0\0\0\0");
    assert_eq!(client.rest(), b"\x88\x00");
}
