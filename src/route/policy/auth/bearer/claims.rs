//! The claims of a token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

/// Returns the claims as texts, by name. The names of nested claims are joined with dots, as
/// `realm_access.roles`. The elements of a list are joined with commas.
pub(super) fn texts(claims: &Map<String, Value>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in claims {
        add(name.clone(), value, &mut all);
    }
    all
}

fn add(name: String, value: &Value, all: &mut Vec<(String, String)>) {
    if let Value::Object(inner) = value {
        for (inner, value) in inner {
            add(format!("{name}.{inner}"), value, all);
        }
    } else if let Value::Array(elements) = value {
        let elements: Vec<String> = elements.iter().filter_map(text).collect();
        all.push((name, elements.join(",")));
    } else if let Some(text) = text(value) {
        all.push((name, text));
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns how long a token is still valid, with leeway; `None` if it has no valid `exp`.
pub(super) fn time_left(claims: &Map<String, Value>, leeway: Duration) -> Option<Duration> {
    let expires = claims.get("exp").and_then(Value::as_f64)?;
    let expires = Duration::try_from_secs_f64(expires).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(expires.saturating_add(leeway).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_flattened_to_text_by_name() {
        let claims = json!({ "sub": "ann", "n": 7, "ok": true, "no": null, "roles": ["a", 2, {}],
            "in": { "x": { "y": "z" } } });
        let found = texts(claims.as_object().unwrap());
        let expected = [
            ("in.x.y", "z"),
            ("n", "7"),
            ("ok", "true"),
            ("roles", "a,2"),
            ("sub", "ann"),
        ];
        assert!(
            expected.iter().all(|(name, value)| {
                found.contains(&((*name).to_owned(), (*value).to_owned()))
            })
        );
        assert_eq!(found.len(), expected.len());
    }

    #[test]
    fn the_remaining_time_of_a_token_is_never_negative() {
        let left =
            |exp: Value| time_left(json!({ "exp": exp }).as_object().unwrap(), Duration::ZERO);
        assert_eq!(left(json!(1)), Some(Duration::ZERO));
        assert_eq!(left(json!(1e300)), None);
        assert_eq!(left(json!("x")), None);
        let soon = UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(100);
        let left = left(json!(soon.as_secs())).unwrap();
        assert!(left > Duration::from_secs(90) && left <= Duration::from_secs(100));
    }
}
