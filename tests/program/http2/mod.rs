//! WebSocket over HTTP/2 (RFC 8441), with prior knowledge: many on one connection, beside ordinary
//! requests, and each of them as over TCP.

mod ends;
mod floods;
mod opening;
mod streams;
mod windows;

const MIB: usize = 1024 * 1024;
