//! The JSON schema of the file, for editors.

use serde_json::{Map, Value, json};

use super::bus;
use super::control;
use super::key::properties;
use super::listener;
use super::process;
use super::publish;
use super::route;
use super::session;
use super::settings_keys;
use super::upstream;
use super::zmq;

/// Returns the JSON schema of the file: its keys, their descriptions, and their values as far as a
/// schema can describe them.
pub(crate) fn schema() -> Value {
    let settings = properties(&settings_keys::keys());
    let mut route = properties(&route::keys());
    route.extend(settings.clone());
    let mut root = properties(&process::keys());
    root.extend([
        (
            "control".to_owned(),
            table(&properties(&control::keys()), &[]),
        ),
        ("defaults".to_owned(), table(&settings, &[])),
        (
            "publish".to_owned(),
            table(&properties(&publish::keys()), &[]),
        ),
        ("bus".to_owned(), table(&properties(&bus::keys()), &[])),
        ("zmq".to_owned(), table(&properties(&zmq::keys()), &[])),
        (
            "listener".to_owned(),
            json!({
                "type": "array",
                "items": table(&properties(&listener::keys()), &["address"]),
            }),
        ),
        (
            "route".to_owned(),
            json!({ "type": "array", "items": table(&route, &[]) }),
        ),
        (
            "upstream".to_owned(),
            json!({
                "type": "object",
                "additionalProperties": table(&properties(&upstream::keys()), &["targets"]),
            }),
        ),
        (
            "session".to_owned(),
            json!({
                "type": "object",
                "additionalProperties": table(&properties(&session::keys()), &[]),
            }),
        ),
    ]);
    let mut schema = table(&root, &["route"]);
    if let Value::Object(schema) = &mut schema {
        let draft = "https://json-schema.org/draft/2020-12/schema";
        schema.insert("$schema".to_owned(), json!(draft));
        schema.insert("title".to_owned(), json!("polysock.toml"));
    }
    schema
}

fn table(properties: &Map<String, Value>, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
