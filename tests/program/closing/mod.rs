//! How connections of the program end: what its log says, and what a relay carries across.

mod log;
mod relay;
mod unfinished;
