//! Data of PHP's serializers, and data that is refused.

use bytes::Bytes;
use polysock_web::{PhpError, Serializer, Values};
use serde_json::{Value, json};

use Serializer::{Php, PhpBinary, PhpSerialize};

/// A session with values of every kind, as PHP 8.2 writes it.
const OF_PHP: &str = concat!(
    "user_id|i:42;name|s:8:\"Zoë|\"x\"\";f|d:1.5;tenth|d:0.10000000000000001;neg|i:-7;t|b:1;n|N;",
    "list|a:3:{i:0;i:1;i:1;s:1:\"b\";i:2;a:0:{}}map|a:2:{s:1:\"k\";s:1:\"v\";i:7;s:5:\"seven\";}",
    "obj|O:1:\"U\":3:{s:4:\"name\";s:3:\"bob\";s:4:\"\0*\0p\";i:1;s:4:\"\0U\0q\";a:2:{i:0;b:1;i:1;N;}}",
    "inf|d:INF;big|d:1.0E+25;suit|E:11:\"Suit:Hearts\";ref|R:1;",
    "cycle|O:8:\"stdClass\":1:{s:4:\"self\";r:24;}",
    "date|O:8:\"DateTime\":1:{s:8:\"timezone\";s:1:\"Z\";}again|r:24;list2|R:8;"
);

fn read(data: impl Into<Bytes>, serializer: Serializer) -> Result<Value, PhpError> {
    Values::php(&data.into(), serializer).map(|values| values.to_json())
}

#[test]
fn every_kind_of_value_is_read() {
    let expected = json!({
        "user_id": 42, "name": "Zoë|\"x\"", "f": 1.5, "tenth": 0.1, "neg": -7, "t": true, "n": null,
        "list": [1, "b", []], "map": { "k": "v", "7": "seven" },
        "obj": { "__PHP_Incomplete_Class_Name": "U", "name": "bob", "p": 1, "q": [true, null] },
        "inf": null, "big": 1e25, "suit": "Suit:Hearts", "ref": 42, "cycle": { "self": null },
        "date": { "__PHP_Incomplete_Class_Name": "DateTime", "timezone": "Z" },
        "again": { "self": null }, "list2": [1, "b", []],
    });
    assert_eq!(read(OF_PHP, Php), Ok(expected));
}

#[test]
fn each_serializer_is_read() {
    let expected = json!({ "user_id": 42, "ref": 42, "a": ["x"] });
    for (data, serializer) in [
        ("user_id|i:42;ref|R:1;a|a:1:{i:0;s:1:\"x\";}", Php),
        (
            "\x07user_idi:42;\x03refR:1;\x01aa:1:{i:0;s:1:\"x\";}",
            PhpBinary,
        ),
        // R8: the outer array has the first number.
        (
            "a:3:{s:7:\"user_id\";i:42;s:3:\"ref\";R:2;s:1:\"a\";a:1:{i:0;s:1:\"x\";}}",
            PhpSerialize,
        ),
    ] {
        assert_eq!(read(data, serializer), Ok(expected.clone()), "{data}");
    }
    // The highest bit of a length once meant that there is no value.
    assert_eq!(read(&b"\x81ai:1;"[..], PhpBinary), Ok(json!({ "a": 1 })));
    for serializer in [Php, PhpBinary, PhpSerialize] {
        assert_eq!(read("", serializer), Ok(json!({})));
    }
}

#[test]
fn references_count_over_the_whole_session() {
    for (data, name, expected) in [
        // R8: floats with all their digits, whatever precision they were written with.
        ("a|d:0.10000000000000001;", "a", json!(0.1)),
        ("a|d:-0;", "a", json!(-0.0)),
        // A repeated object has a number of its own; a reference has none.
        ("a|O:8:\"stdClass\":0:{}b|r:1;c|i:7;d|R:3;", "d", json!(7)),
        ("a|i:5;b|R:1;c|i:7;d|R:2;", "d", json!(7)),
        // An element that is a reference to its own array.
        ("a|a:1:{i:0;R:1;}", "a", json!([null])),
        // An opaque object is one value, and the values before it keep their numbers.
        ("a|i:5;o|C:3:\"Old\":6:{opaque}b|R:1;", "b", json!(5)),
        (
            "o|C:3:\"Old\":1:{}}",
            "o",
            json!({ "__PHP_Incomplete_Class_Name": "Old" }),
        ),
        // Names extend to the first bar, whatever they begin with.
        ("!a|i:1;", "!a", json!(1)),
        ("a|i:1;a|i:2;", "a", json!(2)),
    ] {
        let values =
            Values::php(&data.into(), Php).unwrap_or_else(|error| panic!("{data}: {error}"));
        assert_eq!(values.get(name), Some(expected), "{data}");
    }
}

#[test]
fn broken_session_data_is_an_error() {
    use PhpError::{Marshalled, Name, NoArray, Reference, Syntax};
    let deep = format!(
        "a|{}{}",
        "a:1:{i:0;".repeat(64),
        "N;".to_owned() + &"}".repeat(64)
    );
    for (data, serializer, expected) in [
        ("a|i:1;b", Php, Name(6)),
        ("a|", Php, Syntax(2)),
        ("a|i:1", Php, Syntax(5)),
        ("a|i:;", Php, Syntax(4)),
        ("a|i:9223372036854775808;", Php, Syntax(4)),
        ("a|i:1.5;", Php, Syntax(5)),
        ("a|b:2;", Php, Syntax(4)),
        ("a|d:nan;", Php, Syntax(4)),
        ("a|d:infinity;", Php, Syntax(4)),
        ("a|s:2:\"a\";", Php, Syntax(9)),
        ("a|s:9:\"a\";", Php, Syntax(7)),
        ("a|s:18446744073709551616:\"a\";", Php, Syntax(4)),
        ("a|S:1:\"a\";", Php, Syntax(2)),
        ("a|a:2:{i:0;N;}", Php, Syntax(14)),
        ("a|a:-1:{}", Php, Syntax(4)),
        ("a|a:1:{d:0;N;}", Php, Syntax(7)),
        ("a|a:999999999:{", Php, Syntax(15)),
        ("a|O:1:\"A\":1:{i:0;N;", Php, Syntax(19)),
        ("a|R:0;", Php, Reference(2)),
        ("a|R:1;", Php, Reference(2)),
        ("a|i:1;b|R:3;", Php, Reference(8)),
        // The number of values within the first is unknown.
        ("o|C:1:\"O\":0:{}b|i:1;c|R:2;", Php, Reference(22)),
        ("\x05a", PhpBinary, Name(0)),
        ("i:1;", PhpSerialize, NoArray),
        ("a:0:{}x", PhpSerialize, Syntax(6)),
        ("a|i:1;", PhpSerialize, Syntax(1)),
        ("a:0:{}", Php, Name(0)),
        ("s:6:\"a|i:1;\";", Php, Marshalled),
        ("s:6:\"a|i:1;\";", PhpSerialize, Marshalled),
        ("\0\0\0\x02\x14\x01", Php, PhpError::Serializer("igbinary")),
        (&deep, Php, PhpError::Depth(578)),
    ] {
        assert_eq!(read(data.to_owned(), serializer), Err(expected), "{data}");
    }
    let error = read(&b"\x81\xa7user_id\x2a"[..], Php).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data are serialized by msgpack: set session.serialize_handler to php_serialize"
    );
    assert_eq!(
        read(vec![b'a'; 1024 * 1024 + 1], Php),
        Err(PhpError::Length(1024 * 1024 + 1))
    );
    let many = format!("a|a:100000:{{{}}}", "i:0;N;".repeat(100_000));
    assert!(matches!(read(many, Php), Err(PhpError::Count(_))));
}

#[test]
fn the_expansion_of_repeated_references_is_bounded() {
    // Each array contains the previous one twice.
    let mut data = "a0|a:1:{i:0;s:4:\"leaf\";}".to_owned();
    let mut number = 1;
    for next in 1..60 {
        data += &format!("a{next}|a:2:{{i:0;R:{number};i:1;R:{number};}}");
        number += if next == 1 { 2 } else { 1 };
    }
    let values = Values::php(&data.into(), Php).unwrap();
    let text = values.get("a59").unwrap().to_string();
    assert!(
        text.contains("null") && text.len() < 2_000_000,
        "{}",
        text.len()
    );
    assert_eq!(values.get("a1"), Some(json!([["leaf"], ["leaf"]])));
    // A chain that is deeper than the nesting limit of values.
    let mut data = "a0|a:0:{}".to_owned();
    for next in 1..50_000 {
        data += &format!("b|a:1:{{i:0;R:{next};}}");
    }
    let values = Values::php(&data.into(), Php).unwrap();
    assert!(values.get("b").is_some());
}

#[test]
fn values_are_found_by_their_paths() {
    let of_symfony = concat!(
        "_sf2_attributes|a:4:{s:7:\"user_id\";i:42;s:3:\"a.b\";b:1;s:1:\"a\";a:2:{s:1:\"b\";i:0;s:3:\"c.d\";",
        "a:1:{s:1:\"e\";i:5;}}s:1:\"l\";a:2:{i:0;s:1:\"x\";i:1;N;}}",
        "_sf2_meta|a:1:{s:1:\"u\";i:7;}user_id|i:1;top|i:2;"
    );
    let values = Values::php(&of_symfony.into(), Php).unwrap();
    let same = Values::json(values.to_json());
    for (path, expected) in [
        ("user_id", Some(json!(42))),
        ("top", Some(json!(2))),
        ("a.b", Some(json!(true))),
        ("a.c.d.e", Some(json!(5))),
        ("l.0", Some(json!("x"))),
        ("l.1", Some(Value::Null)),
        ("l.00", None),
        ("_sf2_meta.u", Some(json!(7))),
        ("_sf2_attributes.user_id", Some(json!(42))),
        ("user_id.x", None),
        ("nothing", None),
        ("", None),
        (".", None),
    ] {
        assert_eq!(values.get(path), expected, "{path}");
        if path != "l.00" {
            assert_eq!(same.get(path), expected, "{path}");
        }
    }
}

#[test]
fn values_are_returned_as_bytes_json_and_text() {
    let data = &b"bin|s:2:\"\0\xff\";n|N;t|b:1;i|i:-7;f|d:1.5;s|s:1:\"x\";l|a:1:{i:0;s:2:\"\xc3\xab\";}e|s:0:\"\";"[..];
    let values = Values::php(&data.into(), Php).unwrap();
    assert_eq!(values.bytes("bin").as_deref(), Some(&b"\0\xff"[..]));
    assert_eq!(values.get("bin"), Some(json!("\0\u{fffd}")));
    for (path, expected) in [
        ("bin", None),
        ("n", None),
        ("t", Some("true")),
        ("i", Some("-7")),
        ("f", Some("1.5")),
        ("s", Some("x")),
        ("e", Some("")),
        ("l", Some("[\"ë\"]")),
        ("none", None),
    ] {
        assert_eq!(values.text(path).as_deref(), expected, "{path}");
    }
    assert_eq!(format!("{values:?}"), "Values { .. }");
}
