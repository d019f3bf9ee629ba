//! The memory limit of connections.

use std::fs;
use std::path::Path;

use clap::Args;
use polysock::Budget;
use rustix::system::sysinfo;

use super::values;

/// The memory limit of all connections.
#[derive(Args, Debug)]
pub(crate) struct MemoryFlags {
    /// Memory limit for all connections together, for messages, waiting output and compression.
    /// Above 95 % new connections are refused, and those that hold most are closed (1013) [default:
    /// a quarter of the memory of the machine or its cgroup]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) max_memory: Option<u64>,
}

/// The memory budget of all connections: the configured one, or a quarter of the available memory.
pub(crate) fn budget(max_memory: Option<u64>) -> Budget {
    Budget::new(max_memory.unwrap_or_else(|| available() / 4))
}

/// The available memory in bytes: the minimum of the machine's memory and the limits of its cgroup
/// and address space.
fn available() -> u64 {
    // /proc/meminfo is hidden from services with `ProcSubset=pid`.
    let info = sysinfo();
    let machine = u128::from(info.totalram) * u128::from(info.mem_unit);
    let address_space = || {
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        field(&limits, "Max address space")
    };
    let limits = [u64::try_from(machine).ok(), address_space(), cgroup()];
    limits.into_iter().flatten().min().unwrap_or(u64::MAX)
}

/// The number after the name that a line starts with.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The smallest limit of the cgroup and its ancestors: of version 2, or of the memory controller of
/// version 1.
fn cgroup() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // A container may see its own group as the root while its path names another.
        let ancestors = Path::new(path).ancestors();
        let limit = |group: &Path| {
            let place = format!("{root}/{}/{file}", group.display());
            fs::read_to_string(place).ok()?.trim().parse::<u64>().ok()
        };
        ancestors.filter_map(limit).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_number_after_a_name() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max address space         734003200            unlimited            bytes\n\
            Max data size             unlimited            unlimited            bytes\n";
        assert_eq!(field(limits, "Max address space"), Some(734_003_200));
        assert_eq!(field(limits, "Max data size"), None);
    }

    #[test]
    fn available_memory_is_at_most_that_of_the_machine() {
        let machine = fs::read_to_string("/proc/meminfo").unwrap();
        let machine = field(&machine, "MemTotal:").unwrap() * 1024;
        let available = available();
        assert!(available > 1 << 20 && available <= machine, "{available}");
    }
}
