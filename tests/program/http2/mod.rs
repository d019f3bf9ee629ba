//! WebSocket over HTTP/2 (RFC 8441), with prior knowledge: many streams on one connection, next to
//! ordinary requests, and each stream as over TCP.

mod ends;
mod floods;
mod opening;
mod streams;
mod windows;

const MIB: usize = 1024 * 1024;
