//! The `.wire` format: the model of a session, its parser and its writer.
//!
//! ```text
//!   model   a session: the bytes of both ends, and the events of the application
//!   cursor  the position in a line, and the parsers for its words and bytes
//!   parse   lines  →  a transcript
//!   write   a transcript  →  lines, always the same for the same transcript
//!   file    a transcript in a file; an error names its line, its column and a remedy
//! ```

mod cursor;
mod file;
mod model;
mod parse;
mod write;

pub use self::file::{Fixture, ParseError};
pub use self::model::{
    Action, AppKind, Content, HEADERS, Header, LIMIT, Line, Observation, Part, Refusal, Segment,
    Step, Transcript, expand, expanded_len,
};
pub(crate) use self::write::escape;
