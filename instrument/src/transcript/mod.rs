//! The `.wire` format: the model of a session, its parser and its writer.
//!
//! ```text
//!   model   what the two ends of a connection sent, and what the application saw of it
//!   cursor  a line that is being read, and the words and bytes in it
//!   parse   lines  →  a transcript
//!   write   a transcript  →  lines, always in the same way
//!   file    a file, read; an error names its line, its column and how to mend it
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
