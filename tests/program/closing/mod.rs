//! The ends of connections of the program: the log, and the closes that a relay forwards.

mod log;
mod relay;
mod unfinished;
