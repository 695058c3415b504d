//! Networks, volumes, and which subnets are taken.

use http::Method;
use indexmap::IndexMap;
use pluvio_runtime::driver::{DriverError, SeenNetwork, SeenVolume};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::connection::{Engine, escape, label_filter};
use crate::error::Failure;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkAnswer {
    name: String,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
    #[serde(default, rename = "IPAM")]
    ipam: Ipam,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    #[serde(default)]
    config: Option<Vec<IpamRange>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpamRange {
    #[serde(default)]
    subnet: Option<String>,
}

impl NetworkAnswer {
    fn subnets(&self) -> impl Iterator<Item = &String> {
        self.ipam
            .config
            .iter()
            .flatten()
            .filter_map(|range| range.subnet.as_ref())
    }
    fn seen(self) -> SeenNetwork {
        let subnet = self.subnets().find(|s| !s.contains(':')).cloned();
        SeenNetwork {
            subnet,
            name: self.name,
            labels: self.labels.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumesAnswer {
    #[serde(default)]
    volumes: Option<Vec<VolumeAnswer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeAnswer {
    name: String,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
    #[serde(default)]
    options: Option<IndexMap<String, String>>,
}

impl Engine {
    pub async fn list_networks(&self, labels: &[String]) -> Result<Vec<SeenNetwork>, DriverError> {
        Ok(self
            .network_answers(&format!("?filters={}", label_filter(labels)))
            .await?
            .into_iter()
            .map(NetworkAnswer::seen)
            .collect())
    }

    async fn network_answers(&self, query: &str) -> Result<Vec<NetworkAnswer>, DriverError> {
        self.get(&format!("/networks{query}"))
            .await
            .map_err(|f| f.attempting("list networks", "the list of networks"))
    }

    pub(crate) async fn network(&self, name: &str) -> Result<Option<SeenNetwork>, DriverError> {
        match self
            .get::<NetworkAnswer>(&format!("/networks/{}", escape(name)))
            .await
        {
            Ok(answer) => Ok(Some(answer.seen())),
            Err(Failure::Answer { status: 404, .. }) => Ok(None),
            Err(failure) => Err(failure.attempting(&format!("look at network {name}"), name)),
        }
    }

    /// Creates a bridge network; with `subnet` `None` the engine chooses one of its pool. There already: left as it is.
    pub async fn ensure_network(
        &self,
        name: &str,
        labels: &IndexMap<String, String>,
        internal: bool,
        subnet: Option<&str>,
    ) -> Result<(), DriverError> {
        // Docker would make a second network of the same name.
        if self.network(name).await?.is_some() {
            return Ok(());
        }
        let mut body = json!({
            "Name": name,
            "CheckDuplicate": true,
            "Driver": "bridge",
            "Internal": internal,
            "Labels": labels,
        });
        if let Some(subnet) = subnet {
            body["IPAM"] = json!({ "Driver": "default", "Config": [{ "Subnet": subnet }] });
        }
        match self.post::<Value>("/networks/create", &body).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                let what = format!("network {name}");
                match failure.attempting(&format!("create {what}"), &what) {
                    // Someone else made it between the look and the creation.
                    DriverError::AlreadyExists { what } if what != "the subnet" => Ok(()),
                    error => Err(error),
                }
            }
        }
    }

    pub async fn remove_network(&self, name: &str) -> Result<(), DriverError> {
        self.tell(Method::DELETE, &format!("/networks/{}", escape(name)))
            .await
            .map(drop)
            .map_err(|f| match f {
                Failure::Answer { status: 404, .. } => DriverError::NotFound {
                    what: format!("network {name}"),
                },
                other => other.attempting(&format!("remove network {name}"), name),
            })
    }

    pub async fn list_volumes(&self, labels: &[String]) -> Result<Vec<SeenVolume>, DriverError> {
        let answer: VolumesAnswer = self
            .get(&format!("/volumes?filters={}", label_filter(labels)))
            .await
            .map_err(|f| f.attempting("list volumes", "the list of volumes"))?;
        let volumes = answer.volumes.unwrap_or_default();
        Ok(volumes.into_iter().map(VolumeAnswer::seen).collect())
    }

    pub async fn volume(&self, name: &str) -> Result<Option<SeenVolume>, DriverError> {
        match self
            .get::<VolumeAnswer>(&format!("/volumes/{}", escape(name)))
            .await
        {
            Ok(answer) => Ok(Some(answer.seen())),
            Err(Failure::Answer { status: 404, .. }) => Ok(None),
            Err(failure) => Err(failure.attempting(&format!("look at volume {name}"), name)),
        }
    }

    /// There already: left as it is.
    pub async fn ensure_volume(
        &self,
        name: &str,
        labels: &IndexMap<String, String>,
    ) -> Result<(), DriverError> {
        match self.volume(name).await? {
            Some(_) => Ok(()),
            None => self.make_volume(name, labels, &IndexMap::new()).await,
        }
    }

    /// One with other options is refused: an engine changes none of a volume that is there.
    pub(crate) async fn ensure_volume_with(
        &self,
        name: &str,
        labels: &IndexMap<String, String>,
        options: &IndexMap<String, String>,
    ) -> Result<(), DriverError> {
        match self.volume(name).await? {
            Some(seen) if seen.options == *options => Ok(()),
            Some(seen) => Err(DriverError::OtherOptions {
                volume: name.to_owned(),
                plain: seen.options.is_empty(),
            }),
            None => self.make_volume(name, labels, options).await,
        }
    }

    async fn make_volume(
        &self,
        name: &str,
        labels: &IndexMap<String, String>,
        options: &IndexMap<String, String>,
    ) -> Result<(), DriverError> {
        let mut body = json!({ "Name": name, "Labels": labels });
        if !options.is_empty() {
            body["Driver"] = "local".into();
            body["DriverOpts"] = json!(options);
        }
        match self.post::<Value>("/volumes/create", &body).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                let what = format!("volume {name}");
                match failure.attempting(&format!("create {what}"), &what) {
                    DriverError::AlreadyExists { .. } => Ok(()),
                    error => Err(error),
                }
            }
        }
    }

    pub async fn remove_volume(&self, name: &str) -> Result<(), DriverError> {
        self.tell(Method::DELETE, &format!("/volumes/{}", escape(name)))
            .await
            .map(drop)
            .map_err(|f| f.attempting(&format!("remove volume {name}"), &format!("volume {name}")))
    }

    /// Of the machine's routes and of every network the engine knows.
    pub(crate) async fn taken_subnets(&self) -> Result<Vec<String>, DriverError> {
        let mut taken: Vec<String> = Vec::new();
        for network in self.network_answers("").await? {
            taken.extend(network.subnets().filter(|s| !s.contains(':')).cloned());
        }
        // Absent where the machine is not Linux: then the engine's own networks are all that is known.
        if let Ok(routes) = tokio::fs::read_to_string("/proc/net/route").await {
            taken.extend(routed_subnets(&routes));
        }
        taken.sort();
        taken.dedup();
        Ok(taken)
    }
}

impl VolumeAnswer {
    fn seen(self) -> SeenVolume {
        let mut options = self.options.unwrap_or_default();
        // Podman adds others of its own.
        options.retain(|key, _| matches!(key.as_str(), "type" | "device" | "o"));
        SeenVolume {
            name: self.name,
            labels: self.labels.unwrap_or_default(),
            options,
        }
    }
}

/// `/proc/net/route`: addresses and masks are hex of the machine's byte order. The default route takes nothing.
fn routed_subnets(routes: &str) -> Vec<String> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let word = |at: usize| {
            u32::from_str_radix(fields.get(at)?, 16)
                .ok()
                .map(u32::to_ne_bytes)
        };
        let (address, mask) = (word(1)?, u32::from_be_bytes(word(7)?));
        let [a, b, c, d] = address;
        (mask != 0).then(|| format!("{a}.{b}.{c}.{d}/{}", mask.leading_ones()))
    };
    routes.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn routes_become_subnets() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            br-1\t4000C90A\t00000000\t0001\t0\t0\t0\tC0FFFFFF\t0\t0\t0\n";
        assert_eq!(
            super::routed_subnets(table),
            ["172.17.0.0/16", "10.201.0.64/26"]
        );
    }
}
