//! Any session of PHP is read as it was written, and no bytes cause a panic.

use bytes::Bytes;
use polysock_web::{Serializer, Values};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Writes a value as PHP's `serialize` does.
fn write(value: &Value, into: &mut Vec<u8>) {
    let text = match value {
        Value::Null => "N;".to_owned(),
        Value::Bool(is_true) => format!("b:{};", u8::from(*is_true)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => format!("i:{number};"),
            None => format!("d:{:?};", number.as_f64().unwrap()),
        },
        Value::String(text) => format!("s:{}:\"{text}\";", text.len()),
        Value::Array(values) => {
            into.extend(format!("a:{}:{{", values.len()).bytes());
            for (index, value) in values.iter().enumerate() {
                into.extend(format!("i:{index};").bytes());
                write(value, into);
            }
            "}".to_owned()
        }
        Value::Object(members) => {
            into.extend(format!("O:8:\"stdClass\":{}:{{", members.len()).bytes());
            for (name, value) in members {
                into.extend(format!("s:{}:\"{name}\";", name.len()).bytes());
                write(value, into);
            }
            "}".to_owned()
        }
    };
    into.extend(text.bytes());
}

fn session(variables: &Map<String, Value>, serializer: Serializer) -> Bytes {
    let mut data = Vec::new();
    if serializer == Serializer::PhpSerialize {
        data.extend(format!("a:{}:{{", variables.len()).bytes());
    }
    for (name, value) in variables {
        match serializer {
            Serializer::Php => data.extend(format!("{name}|").bytes()),
            Serializer::PhpBinary => {
                data.push(name.len().try_into().unwrap());
                data.extend(name.bytes());
            }
            _ => data.extend(format!("s:{}:\"{name}\";", name.len()).bytes()),
        }
        write(value, &mut data);
    }
    if serializer == Serializer::PhpSerialize {
        data.push(b'}');
    }
    data.into()
}

fn value() -> impl Strategy<Value = Value> {
    let number = any::<f64>().prop_filter("a number of JSON", |number| number.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        number.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let list = vec(inner.clone(), 0..6).prop_map(Value::from);
        let object = hash_map("[a-z]{1,4}", inner, 0..6);
        prop_oneof![list, object.prop_map(|members| json!(members))]
    })
}

fn any_serializer() -> impl Strategy<Value = Serializer> {
    prop_oneof![
        Just(Serializer::Php),
        Just(Serializer::PhpBinary),
        Just(Serializer::PhpSerialize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn serialized_sessions_are_read_back(
        variables in hash_map("[^|]{0,8}", value(), 0..6),
        serializer in any_serializer(),
    ) {
        let variables: Map<String, Value> = variables.into_iter().collect();
        let data = session(&variables, serializer);
        let read = Values::php(&data, serializer).map(|values| values.to_json());
        prop_assert_eq!(read, Ok(Value::Object(variables)));
    }

    #[test]
    fn truncated_sessions_are_errors_and_any_change_causes_no_panic(
        variables in hash_map("[a-z]{1,8}", value(), 1..6),
        serializer in any_serializer(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let variables: Map<String, Value> = variables.into_iter().collect();
        let data = session(&variables, serializer);
        let at = at.index(data.len());
        let read = Values::php(&data.slice(..at), serializer);
        if let Ok(values) = read {
            // Only whole variables are read.
            let read = values.to_json();
            let members = read.as_object().unwrap();
            let is_same = |(name, value): (&String, &Value)| variables.get(name) == Some(value);
            prop_assert!(members.iter().all(is_same));
            prop_assert!(serializer != Serializer::PhpSerialize || at == 0);
        }
        let mut changed = data.to_vec();
        changed[at] = byte;
        if let Ok(values) = Values::php(&changed.into(), serializer) {
            values.to_json();
        }
    }

    #[test]
    fn garbage_causes_no_panic(
        data in "(([aOCEsibdNrR]:?[0-9]{0,3}[:;{}\"|]{0,3}[a-z]{0,2}){0,40})",
        serializer in any_serializer(),
    ) {
        if let Ok(values) = Values::php(&data.into(), serializer) {
            values.to_json();
        }
    }
}
