//! A line chart of recent counts.

use std::fmt::Write;

/// The size of the chart.
const WIDTH: usize = 120;
const HEIGHT: u64 = 24;

/// Returns the points of an SVG line through these counts. The last one is at the right edge.
pub(super) fn points(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let step = WIDTH / 60;
    let begin = 60_usize.saturating_sub(counts.len());
    let mut points = String::new();
    for (number, count) in counts.iter().enumerate() {
        let x = (begin + number) * step;
        let y = HEIGHT - count * HEIGHT / most;
        // Writing to memory cannot fail.
        let _ = write!(points, "{x},{y} ");
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_is_at_the_right() {
        assert_eq!(points(&[0, 5, 10]), "114,24 116,12 118,0 ");
        assert_eq!(points(&[]), "");
        assert_eq!(points(&[0]), "118,24 ");
    }
}
