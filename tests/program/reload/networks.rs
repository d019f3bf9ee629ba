//! The networks from which a listener accepts clients.

use super::{Configured, IN_FORCE, LISTENER, echo_at};

#[test]
fn a_reload_changes_the_admitted_networks() {
    let text = |more: &str| [LISTENER, more, &echo_at("/chat", "")].concat();
    let mut configured = Configured::start("networks", &text(""));
    let mut there = configured.open("/chat");
    configured.reload(&text("deny = \"127.0.0.0/8\"\n"), IN_FORCE);
    configured.server.connect().gone();
    super::echoes(&mut there);
    configured.reload(&text("allow = \"127.0.0.0/8\"\n"), IN_FORCE);
    super::echoes(&mut configured.open("/chat"));
}
