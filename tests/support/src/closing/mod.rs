//! Tests of how connections end, in every protocol and both roles: the bytes that the peer sees,
//! the outcome that the application receives, and the line in the log.

use std::any::Any;
use std::thread;

pub mod peer;
pub mod table;

/// Checks every row of a table, each in a thread, and fails with the differences of all rows. A row
/// that panics counts as different.
#[track_caller]
pub fn assert_all<T: Sync>(
    table: &[T],
    name: impl Fn(&T) -> String,
    differences: impl Fn(&T) -> Vec<String> + Sync,
) {
    let differences = &differences;
    let all: Vec<String> = thread::scope(|scope| {
        let rows = table
            .iter()
            .map(|row| (name(row), scope.spawn(move || differences(row))));
        let rows: Vec<_> = rows.collect();
        let differing = rows.into_iter().flat_map(|(name, row)| {
            row.join()
                .unwrap_or_else(|panic| vec![format!("{name}:\n  {}\n", said(&*panic))])
        });
        differing.collect()
    });
    assert!(all.is_empty(), "\n{}", all.concat());
}

/// Returns the message of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text")
}
