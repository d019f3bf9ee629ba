//! The configuration file: what it can say, reading it, and telling what is wrong with it.

#![expect(dead_code, reason = "the values are read, and shown nowhere yet")]

pub(crate) mod balance;
mod check;
pub(crate) mod client;
pub(crate) mod document;
mod environment;
pub(crate) mod exec;
pub(crate) mod files;
mod form;
pub(crate) mod headers;
pub(crate) mod health;
mod key;
pub(crate) mod listener;
pub(crate) mod load;
mod node;
mod problem;
pub(crate) mod process;
mod reader;
pub(crate) mod rewrite;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod settings;
mod settings_keys;
pub(crate) mod target;
pub(crate) mod upstream;
mod url;
mod words;

pub(crate) use self::document::Config;
