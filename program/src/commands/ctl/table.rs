//! Answers of a control listener as tables for people.

use std::fmt::Write;

use serde_json::Value;

use crate::log::visible;

/// The columns of a list of connections: the JSON key and the heading.
const CONNECTIONS: &[(&str, &str)] = &[
    ("id", "CONNECTION"),
    ("protocol", "PROTOCOL"),
    ("transport", "OVER"),
    ("route", "ROUTE"),
    ("peer", "PEER"),
    ("age_seconds", "AGE"),
    ("idle_seconds", "IDLE"),
    ("received_bytes", "RECEIVED"),
    ("sent_bytes", "SENT"),
    ("held_bytes", "HELD"),
    ("user_agent", "USER AGENT"),
];

const CENSUS: &[(&str, &str)] = &[
    ("device", "DEVICE"),
    ("protocol", "PROTOCOL"),
    ("origin", "PAGE"),
    ("live", "NOW"),
    ("total", "TOTAL"),
    ("last_refusal", "LAST REFUSAL"),
];

const REFUSALS: &[(&str, &str)] = &[
    ("seconds_ago", "SECONDS AGO"),
    ("id", "CONNECTION"),
    ("peer", "PEER"),
    ("status", "STATUS"),
    ("reason", "REASON"),
    ("remedy", "REMEDY"),
];

/// The widest column, in characters.
const WIDEST: usize = 44;

/// Formats an answer as a table.
pub(super) fn of(answer: &Value) -> String {
    if answer.get("connections").is_some_and(Value::is_array) {
        return connections(answer);
    }
    if let Some(rows) = answer.get("rows").and_then(Value::as_array) {
        let mut text = rows_of(rows, CENSUS);
        let retire = answer.get("retire").and_then(Value::as_array);
        for protocol in retire.into_iter().flatten() {
            let protocol = shown(protocol);
            let _ = writeln!(
                text,
                "no client has used {protocol} for 90 days: it can be disabled"
            );
        }
        return text;
    }
    if let Some(rows) = answer.get("refusals").and_then(Value::as_array) {
        return rows_of(rows, REFUSALS);
    }
    let mut text = String::new();
    for (name, value) in answer.as_object().into_iter().flatten() {
        let _ = writeln!(text, "{:<18} {}", name.replace('_', " "), shown(value));
    }
    text
}

/// Formats a list of connections.
pub(super) fn connections(answer: &Value) -> String {
    let rows = answer.get("connections").and_then(Value::as_array);
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    let mut text = rows_of(rows, CONNECTIONS);
    let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
    let _ = writeln!(text, "{} of {count} connections", rows.len());
    text
}

/// Formats the state of a server.
pub(super) fn status(answer: &Value) -> String {
    let of = |name: &str| answer.get(name).map(shown).unwrap_or_default();
    let is = |name: &str| answer.get(name).and_then(Value::as_bool).unwrap_or(false);
    let state = match (is("draining"), is("ready")) {
        (true, _) => "draining",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let listeners = answer.get("listeners").and_then(Value::as_array);
    let listeners: Vec<_> = listeners.into_iter().flatten().map(shown).collect();
    let mut text = format!(
        "polysock {}, {state}, up for {} s\n{} of {} connections, {} routes, {} workers, on {}\n\n",
        of("version"),
        of("uptime_seconds"),
        of("connections"),
        of("max_connections"),
        of("routes"),
        of("workers"),
        listeners.join(", "),
    );
    let metric = |name: &str| {
        let metrics = answer.get("metrics").and_then(|metrics| metrics.get(name));
        metrics
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let flat = |sample: &Value| {
        let mut row = sample.get("labels").cloned().unwrap_or_default();
        if let Some(row) = row.as_object_mut() {
            let value = sample.get("value").cloned().unwrap_or_default();
            row.insert("value".to_owned(), value);
        }
        row
    };
    let rows = metric("polysock_connections");
    let rows = rows.iter().map(flat);
    // Rows with a count of zero, for protocols that nobody speaks, are left out.
    let open = rows.filter(|row| row.get("value").map(shown).as_deref() != Some("0"));
    let rows: Vec<_> = open.collect();
    let columns = [
        ("protocol", "PROTOCOL"),
        ("transport", "OVER"),
        ("route", "ROUTE"),
        ("value", "NOW"),
    ];
    text += &rows_of(&rows, &columns);
    text
}

/// Formats rows as aligned columns.
fn rows_of(rows: &[Value], columns: &[(&str, &str)]) -> String {
    let cell = |row: &Value, name: &str| {
        let mut cell = row.get(name).map(shown).unwrap_or_default();
        if let Some((end, _)) = cell.char_indices().nth(WIDEST) {
            cell.truncate(end);
        }
        cell
    };
    let mut cells = vec![
        columns
            .iter()
            .map(|(_, title)| (*title).to_owned())
            .collect::<Vec<_>>(),
    ];
    cells.extend(
        rows.iter()
            .map(|row| columns.iter().map(|(name, _)| cell(row, name)).collect()),
    );
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            let widths = cells.iter().filter_map(|row: &Vec<String>| row.get(column));
            widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in cells {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to memory cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Formats a value. Control characters are escaped, so nothing steers the terminal.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible(text),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => format!("{float:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_without_control_characters() {
        let answer = json!({
            "count": 7,
            "connections": [{
                "id": "a3f9c2-1f",
                "protocol": "hixie-76",
                "transport": "tcp",
                "route": null,
                "peer": "127.0.0.1:5000",
                "age_seconds": 12.6,
                "idle_seconds": 3,
                "received_bytes": 10,
                "sent_bytes": 2000,
                "held_bytes": 0,
                "user_agent": "evil\u{1b}[2J",
            }],
        });
        let expected = "\
CONNECTION  PROTOCOL  OVER  ROUTE  PEER            AGE  IDLE  RECEIVED  SENT  HELD  USER AGENT
a3f9c2-1f   hixie-76  tcp          127.0.0.1:5000  13   3     10        2000  0     evil\\u{1b}[2J
1 of 7 connections
";
        assert_eq!(of(&answer), expected);
    }
}
