//! The system's metrics of this process, under the names common to all Prometheus clients.

use std::fs;

use polysock::{MetricFamily, MetricKind, SampleValue};
use rustix::param::{clock_ticks_per_second, page_size};

/// Returns the metrics that can be read.
pub(super) fn families() -> Vec<MetricFamily> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    let open = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    let mut families = of_stat(&stat, &system);
    // One of them is the descriptor that reads the directory.
    families.extend(open.map(|open| {
        gauge(
            "process_open_fds",
            "Open file descriptors",
            open.saturating_sub(1) as u64,
        )
    }));
    families.extend(max_descriptors(&limits).map(|most| {
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors",
            most,
        )
    }));
    families
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a double is what OpenMetrics has"
)]
fn of_stat(stat: &str, system: &str) -> Vec<MetricFamily> {
    // The program's name may contain anything and ends with the last bracket: proc(5).
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<u64> = fields
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // The first field here is the third of proc_pid_stat(5).
    let field = |number: usize| fields.get(number - 3).copied();
    let (Some(user), Some(kernel), Some(threads), Some(start), Some(size), Some(resident)) = (
        field(14),
        field(15),
        field(20),
        field(22),
        field(23),
        field(24),
    ) else {
        return Vec::new();
    };
    let ticks = clock_ticks_per_second() as f64;
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "));
    let boot: f64 = boot
        .and_then(|boot| boot.trim().parse().ok())
        .unwrap_or(0.0);
    let number = |name, kind, help, value| {
        MetricFamily::new(name, kind, help).with(Vec::new(), SampleValue::Number(value))
    };
    vec![
        number(
            "process_cpu_seconds",
            MetricKind::Counter,
            "User and system CPU time of the process, in seconds",
            (user + kernel) as f64 / ticks,
        ),
        number(
            "process_start_time_seconds",
            MetricKind::Gauge,
            "Start time of the process, in seconds since 1970",
            boot + start as f64 / ticks,
        ),
        gauge("process_threads", "Threads of the process", threads),
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory of the process, in bytes",
            size,
        ),
        gauge(
            "process_resident_memory_bytes",
            "Resident memory of the process, in bytes",
            resident * page_size() as u64,
        ),
    ]
}

fn max_descriptors(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn gauge(name: &'static str, help: &'static str, count: u64) -> MetricFamily {
    MetricFamily::new(name, MetricKind::Gauge, help).with(Vec::new(), SampleValue::Count(count))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_contain_brackets_and_blanks() {
        let mut stat = String::from("12 (a) b (c) S");
        for number in 4..=52 {
            stat.push_str(&format!(" {number}"));
        }
        let families = of_stat(&stat, "cpu 1\nbtime 1000\n");
        let of = |name: &str| {
            let family = families.iter().find(|family| family.name == name).unwrap();
            family.samples[0].value.clone()
        };
        assert_eq!(of("process_threads"), SampleValue::Count(20));
        assert_eq!(of("process_virtual_memory_bytes"), SampleValue::Count(23));
        assert_eq!(of_stat("", ""), Vec::new());
    }

    #[test]
    fn all_process_metrics_are_available() {
        let families = families();
        let names: Vec<_> = families.iter().map(|family| family.name).collect();
        let expected = [
            "process_cpu_seconds",
            "process_start_time_seconds",
            "process_threads",
            "process_virtual_memory_bytes",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_max_fds",
        ];
        assert_eq!(names, expected);
    }
}
