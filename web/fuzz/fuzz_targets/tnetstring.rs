//! Input: a tnetstring.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../../src/zmq/tnetstring.rs"]
mod tnetstring;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = tnetstring::read(bytes) else {
        return;
    };
    assert!(depth(&value) <= 16);
    // The value uses all bytes, no fewer.
    let cut = bytes.split_last().map(|(_, cut)| cut);
    assert!(tnetstring::read(cut.expect("a type")).is_err());
    assert!(tnetstring::read(&[bytes, b"0:~"].concat()).is_err());
    // The value is the same in a list.
    let list = [format!("{}:", bytes.len()).as_bytes(), bytes, b"]"].concat();
    match tnetstring::read(&list) {
        Ok(list) => assert_eq!(list, Value::Array(vec![value])),
        Err(_) => assert!(depth(&value) == 16 || bytes.len() > 999_999_999),
    }
});

/// Returns the depth of nested lists and objects.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
