//! The parts of Kubernetes' objects that Pluvio writes, under the API's own names.
//! (Source: the OpenAPI document of Kubernetes 1.34, which the tests hold these against.)

use std::net::IpAddr;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// A Gateway, for HTTPRoutes to attach to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayRef {
    pub name: String,
    pub namespace: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub labels: IndexMap<String, String>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub annotations: IndexMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Spec<T> {
    pub(super) spec: T,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodTemplate {
    pub(super) metadata: PodMetadata,
    pub(super) spec: PodSpec,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct PodMetadata {
    pub(super) labels: IndexMap<String, String>,
    pub(super) annotations: IndexMap<String, String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) init_containers: Vec<Container>,
    pub(super) containers: Vec<Container>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volumes: Vec<Volume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_policy: Option<&'static str>,
    pub(super) termination_grace_period_seconds: u64,
    /// Programs have no business with the cluster's own API.
    pub(super) automount_service_account_token: bool,
    /// Variables named after other Services would be a second, unasked environment.
    pub(super) enable_service_links: bool,
    pub(super) security_context: PodSecurity,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_pull_secrets: Vec<SecretName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dns_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dns_config: Option<DnsConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) host_aliases: Vec<HostAlias>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) node_selector: IndexMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) topology_spread_constraints: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) affinity: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tolerations: Vec<Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) host_network: bool,
    #[serde(rename = "hostPID", skip_serializing_if = "std::ops::Not::not")]
    pub(super) host_pid: bool,
    #[serde(rename = "hostIPC", skip_serializing_if = "std::ops::Not::not")]
    pub(super) host_ipc: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct SecretName {
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSecurity {
    pub(super) seccomp_profile: Profile,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fs_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fs_group_change_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) supplemental_groups: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sysctls: Vec<NameValue>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Profile {
    pub(super) r#type: &'static str,
}

impl Default for Profile {
    fn default() -> Self {
        Profile {
            r#type: "RuntimeDefault",
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct DnsConfig {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nameservers: Vec<IpAddr>,
    pub(super) searches: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) options: Vec<DnsOption>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct DnsOption {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct HostAlias {
    pub(super) ip: IpAddr,
    pub(super) hostnames: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct NameValue {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) command: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) working_dir: Option<String>,
    /// `Always` on an init container makes it a sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<ContainerPort>,
    pub(super) resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) startup_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) readiness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) liveness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lifecycle: Option<Lifecycle>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volume_mounts: Vec<VolumeMount>,
    /// The last lines of a program that fails are kept beside its exit code.
    pub(super) termination_message_policy: TerminationMessage,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) tty: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stdin: bool,
    pub(super) security_context: Security,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) enum TerminationMessage {
    #[default]
    FallbackToLogsOnError,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvVar {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_from: Option<EnvSource>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum EnvSource {
    SecretKeyRef(KeyRef),
    FieldRef(FieldRef),
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldRef {
    pub(super) field_path: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct KeyRef {
    pub(super) name: String,
    pub(super) key: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerPort {
    pub(super) container_port: u16,
    pub(super) protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host_port: Option<u16>,
    #[serde(rename = "hostIP", skip_serializing_if = "Option::is_none")]
    pub(super) host_ip: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Resources {
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) requests: IndexMap<&'static str, String>,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) limits: IndexMap<&'static str, String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probe {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_get: Option<HttpGet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tcp_socket: Option<TcpSocket>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exec: Option<Exec>,
    pub(super) initial_delay_seconds: u64,
    pub(super) period_seconds: u64,
    pub(super) timeout_seconds: u64,
    pub(super) failure_threshold: u32,
    pub(super) success_threshold: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpGet {
    pub(super) path: String,
    pub(super) port: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) http_headers: Vec<NameValue>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct TcpSocket {
    pub(super) port: u16,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Exec {
    pub(super) command: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lifecycle {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) post_start: Option<Handler>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pre_stop: Option<Handler>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Handler {
    Exec(Exec),
    Sleep(Sleep),
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Sleep {
    pub(super) seconds: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: String,
    pub(super) mount_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_path: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Security {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) privileged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_privilege_escalation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_non_root: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_user: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_group: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only_root_filesystem: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seccomp_profile: Option<Profile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_armor_profile: Option<Profile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) se_linux_options: Option<Profile>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Capabilities {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) drop: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) persistent_volume_claim: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) empty_dir: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host_path: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) config_map: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Value>,
}
