//! CPU and memory of running instances, read from their cgroups: no question to the engine.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::{ContainerState, SeenContainer};

/// Where a process's use is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cgroup {
    /// `cpuacct` and `memory` in hierarchies of their own (version 1, and the hybrid layout).
    Split { cpu: PathBuf, memory: PathBuf },
    /// Version 2.
    Unified(PathBuf),
}

/// Mount points of the cgroup hierarchies.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mounts {
    cpu: Option<PathBuf>,
    memory: Option<PathBuf>,
    unified: Option<PathBuf>,
}

impl Mounts {
    fn parse(mounts: &str) -> Mounts {
        let mut found = Mounts::default();
        for line in mounts.lines() {
            let mut fields = line.split(' ');
            let (Some(_), Some(at), Some(kind), Some(options)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let has = |name: &str| options.split(',').any(|option| option == name);
            match kind {
                "cgroup2" => found.unified = Some(at.into()),
                "cgroup" if has("cpuacct") => found.cpu = Some(at.into()),
                "cgroup" if has("memory") => found.memory = Some(at.into()),
                _ => {}
            }
        }
        found
    }

    /// `cgroups`: the content of `/proc/PID/cgroup`.
    fn locate(&self, cgroups: &str) -> Option<Cgroup> {
        let of = |controller: &str| {
            cgroups.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':');
                let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
                controllers
                    .split(',')
                    .any(|name| name == controller)
                    .then_some(path)
            })
        };
        let below = |mount: &Path, path: &str| mount.join(path.trim_start_matches('/'));
        if let (Some(cpu), Some(memory), Some(cpu_path), Some(memory_path)) =
            (&self.cpu, &self.memory, of("cpuacct"), of("memory"))
        {
            return Some(Cgroup::Split {
                cpu: below(cpu, cpu_path),
                memory: below(memory, memory_path),
            });
        }
        Some(Cgroup::Unified(below(self.unified.as_ref()?, of("")?)))
    }
}

fn number(path: PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A value of a file of `KEY VALUE` lines.
fn entry(path: PathBuf, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

impl Cgroup {
    /// CPU time in microseconds since the cgroup was made.
    fn cpu(&self) -> Option<u64> {
        match self {
            Cgroup::Split { cpu, .. } => Some(number(cpu.join("cpuacct.usage"))? / 1000),
            Cgroup::Unified(path) => entry(path.join("cpu.stat"), "usage_usec"),
        }
    }

    /// Bytes without the page cache that could be dropped (as `docker stats` counts).
    fn memory(&self) -> Option<u64> {
        let (used, cache) = match self {
            Cgroup::Split { memory, .. } => (
                number(memory.join("memory.usage_in_bytes"))?,
                entry(memory.join("memory.stat"), "total_inactive_file"),
            ),
            Cgroup::Unified(path) => (
                number(path.join("memory.current"))?,
                entry(path.join("memory.stat"), "inactive_file"),
            ),
        };
        Some(used.saturating_sub(cache.unwrap_or(0)))
    }
}

/// Reads all instances; remembers their CPU time from one reading to the next.
#[derive(Debug)]
pub(crate) struct Meter {
    mounts: Mounts,
    processes: HashMap<u32, Known>,
}

#[derive(Debug)]
struct Known {
    instance: String,
    cgroup: Cgroup,
    last: Option<(Instant, u64)>,
}

impl Meter {
    pub(crate) fn new() -> Meter {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Meter {
            mounts: Mounts::parse(&mounts),
            processes: HashMap::new(),
        }
    }

    /// Thousandths of a core since the reading before, and bytes, by instance. An instance's first reading has no CPU figure
    /// to compare with, and counts none.
    pub(crate) fn read<'a>(
        &mut self,
        containers: impl Iterator<Item = &'a SeenContainer>,
    ) -> BTreeMap<String, (u32, u64)> {
        let mut readings = BTreeMap::new();
        let mut running = Vec::new();
        for container in containers {
            let (Some(pid), ContainerState::Running { .. }) = (container.pid, &container.state)
            else {
                continue;
            };
            running.push(pid);
            if self
                .processes
                .get(&pid)
                .is_none_or(|known| known.instance != container.name)
            {
                let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok();
                let Some(cgroup) = cgroups.and_then(|text| self.mounts.locate(&text)) else {
                    continue;
                };
                let known = Known {
                    instance: container.name.clone(),
                    cgroup,
                    last: None,
                };
                self.processes.insert(pid, known);
            }
            let Some(known) = self.processes.get_mut(&pid) else {
                continue;
            };
            let (Some(cpu), Some(memory)) = (known.cgroup.cpu(), known.cgroup.memory()) else {
                continue;
            };
            let now = Instant::now();
            let millis = known.last.map_or(0, |(then, before)| {
                let passed = now.duration_since(then).as_micros().max(1) as u64;
                (cpu.saturating_sub(before) * 1000).div_ceil(passed)
            });
            known.last = Some((now, cpu));
            // What a sidecar takes is its instance's.
            let of = container.labels.get(label::INSTANCE);
            let (all_millis, all_memory): &mut (u32, u64) = readings
                .entry(of.unwrap_or(&container.name).clone())
                .or_default();
            let millis = u32::try_from(millis).unwrap_or(u32::MAX);
            *all_millis = all_millis.saturating_add(millis);
            *all_memory += memory;
        }
        self.processes.retain(|pid, _| running.contains(pid));
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_found_in_every_layout() {
        let hybrid = Mounts::parse(
            "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
             cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0\n\
             cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
             cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n",
        );
        assert_eq!(
            hybrid.locate("4:memory:/docker/a\n2:cpuacct:/docker/b\n0::/\n"),
            Some(Cgroup::Split {
                cpu: "/sys/fs/cgroup/cpuacct/docker/b".into(),
                memory: "/sys/fs/cgroup/memory/docker/a".into(),
            })
        );
        let unified = Mounts::parse("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n");
        assert_eq!(
            unified.locate("0::/system.slice/docker-1.scope\n"),
            Some(Cgroup::Unified(
                "/sys/fs/cgroup/system.slice/docker-1.scope".into()
            ))
        );
    }
}
