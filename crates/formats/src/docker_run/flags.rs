//! Every documented flag of `docker run`, and those of `podman run` that go beyond.
//! (Source: docs.docker.com/reference/cli/docker/container/run; docs.podman.io, podman-run.)

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing, or `=false`.
    Switch,
    Value,
}

#[derive(Debug)]
pub(super) struct Flag {
    /// Without dashes: `p publish`.
    names: &'static str,
    pub(super) takes: Takes,
    /// The key of a compose service; empty for what has no effect, `!` for what cannot be.
    pub(super) key: &'static str,
    pub(super) many: bool,
    /// Why it has no effect or cannot be.
    pub(super) note: &'static str,
}

impl Flag {
    pub(super) fn long(&self) -> &'static str {
        self.names
            .split(' ')
            .find(|name| name.len() > 1)
            .unwrap_or(self.names)
    }
}

const fn one(names: &'static str, key: &'static str) -> Flag {
    Flag {
        names,
        takes: Takes::Value,
        key,
        many: false,
        note: "",
    }
}
const fn many(names: &'static str, key: &'static str) -> Flag {
    Flag {
        names,
        takes: Takes::Value,
        key,
        many: true,
        note: "",
    }
}
const fn switch(names: &'static str, key: &'static str) -> Flag {
    Flag {
        names,
        takes: Takes::Switch,
        key,
        many: false,
        note: "",
    }
}
const fn without_effect(names: &'static str, takes: Takes, note: &'static str) -> Flag {
    Flag {
        names,
        takes,
        key: "",
        many: false,
        note,
    }
}
const fn refused(names: &'static str, takes: Takes, note: &'static str) -> Flag {
    Flag {
        names,
        takes,
        key: "!",
        many: false,
        note,
    }
}

const SCREEN: &str = "It is for the terminal that runs the line.";
const WINDOWS: &str = "It is for containers of Windows.";
const PODMAN: &str = "It is an option of Podman's own that is not given.";

pub(super) const ALL: &[Flag] = &[
    switch("i interactive", "stdin_open"),
    switch("t tty", "tty"),
    switch("init", "init"),
    switch("read-only", "read_only"),
    switch("privileged", "privileged"),
    switch("oom-kill-disable", "oom_kill_disable"),
    switch("use-api-socket", "use_api_socket"),
    switch("no-healthcheck", "no-healthcheck"),
    without_effect(
        "d detach",
        Takes::Switch,
        "Applications run in the background.",
    ),
    without_effect("rm", Takes::Switch, "Pluvio removes what has ended."),
    without_effect("a attach", Takes::Value, SCREEN),
    without_effect("sig-proxy", Takes::Switch, SCREEN),
    without_effect("detach-keys", Takes::Value, SCREEN),
    without_effect(
        "cidfile",
        Takes::Value,
        "Containers are found by their names.",
    ),
    without_effect("q quiet", Takes::Switch, SCREEN),
    without_effect(
        "disable-content-trust",
        Takes::Switch,
        "It has no effect any more.",
    ),
    switch("P publish-all", crate::compose::PUBLISH_ALL),
    one("name", "name"),
    many("p publish", "ports"),
    many("expose", "expose"),
    many("e env", "environment"),
    many("env-file", "env_file"),
    many("l label", "labels"),
    many("label-file", "label_file"),
    many("annotation", "annotations"),
    many("v volume", "volumes"),
    many("mount", "mount"),
    many("volumes-from", "volumes_from"),
    one("volume-driver", "volume-driver"),
    many("tmpfs", "tmpfs"),
    one("shm-size", "shm_size"),
    one("m memory", "mem_limit"),
    one("memory-reservation", "mem_reservation"),
    one("memory-swap", "memswap_limit"),
    one("memory-swappiness", "mem_swappiness"),
    refused(
        "kernel-memory",
        Takes::Value,
        "The kernel has no such limit any more.",
    ),
    one("cpus", "cpus"),
    one("c cpu-shares", "cpu_shares"),
    one("cpu-period", "cpu_period"),
    one("cpu-quota", "cpu_quota"),
    one("cpuset-cpus", "cpuset"),
    one("cpuset-mems", crate::compose::CPUSET_MEMS),
    one("cpu-rt-period", "cpu_rt_period"),
    one("cpu-rt-runtime", "cpu_rt_runtime"),
    one("pids-limit", "pids_limit"),
    one("oom-score-adj", "oom_score_adj"),
    many("ulimit", "ulimits"),
    many("network net", "network"),
    many("network-alias net-alias", "alias"),
    many("link", "links"),
    one("ip", "ip"),
    one("ip6", "ip"),
    many("link-local-ip", "ip"),
    one("mac-address", "mac_address"),
    one("restart", "restart"),
    one("entrypoint", "entrypoint"),
    one("w workdir", "working_dir"),
    one("u user", "user"),
    one("h hostname", "hostname"),
    one("domainname", "domainname"),
    many("group-add", "group_add"),
    many("cap-add", "cap_add"),
    many("cap-drop", "cap_drop"),
    many("security-opt", "security_opt"),
    one("userns", "userns_mode"),
    one("platform", "platform"),
    one("pull", "pull_policy"),
    one("runtime", "runtime"),
    one("stop-signal", "stop_signal"),
    one("stop-timeout", "stop_grace_period"),
    many("add-host", "extra_hosts"),
    many("dns", "dns"),
    many("dns-option dns-opt", "dns_opt"),
    many("dns-search", "dns_search"),
    one("gpus", "gpus"),
    many("device", "devices"),
    many("device-cgroup-rule", "device_cgroup_rules"),
    one("blkio-weight", "blkio_config"),
    many("blkio-weight-device", "blkio_config"),
    many("device-read-bps", "blkio_config"),
    many("device-read-iops", "blkio_config"),
    many("device-write-bps", "blkio_config"),
    many("device-write-iops", "blkio_config"),
    many("sysctl", "sysctls"),
    one("pid", "pid"),
    one("ipc", "ipc"),
    one("uts", "uts"),
    one("cgroupns", "cgroup"),
    one("cgroup-parent", "cgroup_parent"),
    many("storage-opt", "storage_opt"),
    one("log-driver", "log-driver"),
    many("log-opt", "log-opt"),
    one("health-cmd", "health-cmd"),
    one("health-interval", "health-interval"),
    one("health-timeout", "health-timeout"),
    one("health-retries", "health-retries"),
    one("health-start-period", "health-start-period"),
    one("health-start-interval", "health-start-interval"),
    refused("isolation", Takes::Value, WINDOWS),
    refused("cpu-count", Takes::Value, WINDOWS),
    refused("cpu-percent", Takes::Value, WINDOWS),
    refused("io-maxbandwidth", Takes::Value, WINDOWS),
    refused("io-maxiops", Takes::Value, WINDOWS),
    // Podman's own.
    without_effect("replace", Takes::Switch, "A deploy replaces what is there."),
    without_effect("tls-verify", Takes::Switch, "It is for the pull only."),
    refused("pod", Takes::Value, PODMAN),
    refused("pod-id-file", Takes::Value, PODMAN),
    refused("tz", Takes::Value, PODMAN),
    refused("systemd", Takes::Value, PODMAN),
    refused(
        "secret",
        Takes::Value,
        "Secrets are Pluvio's: `pluvio secret set`.",
    ),
    refused("umask", Takes::Value, PODMAN),
    refused("timeout", Takes::Value, PODMAN),
    refused("health-on-failure", Takes::Value, PODMAN),
    refused("requires", Takes::Value, PODMAN),
    refused(
        "env-host",
        Takes::Switch,
        "The variables of the shell are not taken.",
    ),
    refused("http-proxy", Takes::Switch, PODMAN),
    refused("conmon-pidfile", Takes::Value, PODMAN),
    refused("pidfile", Takes::Value, PODMAN),
    refused("sdnotify", Takes::Value, PODMAN),
    refused("subuidname", Takes::Value, PODMAN),
    refused("subgidname", Takes::Value, PODMAN),
    refused("uidmap", Takes::Value, PODMAN),
    refused("gidmap", Takes::Value, PODMAN),
    refused("rootfs", Takes::Switch, PODMAN),
    refused("cgroups", Takes::Value, PODMAN),
    refused("chrootdirs", Takes::Value, PODMAN),
    refused("group-entry", Takes::Value, PODMAN),
    refused("hostuser", Takes::Value, PODMAN),
    refused("image-volume", Takes::Value, PODMAN),
    refused("passwd-entry", Takes::Value, PODMAN),
    refused("preserve-fds", Takes::Value, PODMAN),
    refused("seccomp-policy", Takes::Value, PODMAN),
    refused("unsetenv", Takes::Value, PODMAN),
    refused("health-startup-cmd", Takes::Value, PODMAN),
    refused("health-startup-interval", Takes::Value, PODMAN),
    refused("health-startup-retries", Takes::Value, PODMAN),
    refused("health-startup-success", Takes::Value, PODMAN),
    refused("health-startup-timeout", Takes::Value, PODMAN),
    refused("no-hosts", Takes::Switch, PODMAN),
    refused("no-hostname", Takes::Switch, PODMAN),
    refused("unsetenv-all", Takes::Switch, PODMAN),
    refused("read-only-tmpfs", Takes::Switch, PODMAN),
    without_effect(
        "rmi",
        Takes::Switch,
        "Images that nothing runs are removed.",
    ),
    refused("arch", Takes::Value, PODMAN),
    refused("os", Takes::Value, PODMAN),
    refused("variant", Takes::Value, PODMAN),
    refused(
        "creds",
        Takes::Value,
        "Passwords of registries are stored as credentials.",
    ),
    refused(
        "authfile",
        Takes::Value,
        "Passwords of registries are stored as credentials.",
    ),
];

pub(super) fn long(name: &str) -> Option<&'static Flag> {
    ALL.iter().find(|flag| {
        flag.names
            .split(' ')
            .any(|known| known.len() > 1 && known == name)
    })
}

pub(super) fn short(letter: char) -> Option<&'static Flag> {
    let mut text = [0; 4];
    let text: &str = letter.encode_utf8(&mut text);
    ALL.iter()
        .find(|flag| flag.names.split(' ').any(|known| known == text))
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter()
        .flat_map(|flag| flag.names.split(' '))
        .filter(|name| name.len() > 1)
}
