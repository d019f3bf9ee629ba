//! Lines of JSON.

use std::fmt::Debug;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::clock::push_time;
use super::object::Object;

/// Writes an event as an object of JSON, with its fields by their names.
pub(super) fn push_json(line: &mut String, event: &Event<'_>) {
    let mut object = Object::begin(line);
    object.written(("", "timestamp"), push_time);
    object.text(("", "level"), event.metadata().level().as_str());
    let mut fields = Fields(object);
    event.record(&mut fields);
    fields.0.end();
}

struct Fields<'a>(Object<'a>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text(("", field.name()), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.unsigned(("", field.name()), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.signed(("", field.name()), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.fraction(("", field.name()), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.truth(("", field.name()), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.shown(("", field.name()), value);
    }
}
