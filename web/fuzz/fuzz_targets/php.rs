//! Input: a byte that selects the serializer, and a PHP session.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use polysock_web::{Serializer, Values};

fuzz_target!(|input: &[u8]| {
    let Some((kind, data)) = input.split_first() else {
        return;
    };
    let serializer = match kind % 3 {
        0 => Serializer::Php,
        1 => Serializer::PhpBinary,
        _ => Serializer::PhpSerialize,
    };
    let data = Bytes::copy_from_slice(data);
    let Ok(values) = Values::php(&data, serializer) else {
        return;
    };
    // A variable is found by its name, with the same value as in the whole session.
    let json = values.to_json();
    for (name, value) in json.as_object().unwrap() {
        if name.contains(['.', '\u{fffd}']) || json.get("_sf2_attributes").is_some() {
            continue;
        }
        assert_eq!(values.get(name).as_ref(), Some(value), "{name}");
        if let Some(bytes) = values.bytes(name) {
            assert_eq!(value.as_str(), Some(&*String::from_utf8_lossy(&bytes)));
        }
        values.text(name);
    }
    // Parsing the same data again gives the same session.
    assert_eq!(Values::php(&data, serializer).unwrap().to_json(), json);
});
