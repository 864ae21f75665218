//! A cluster of several real brokers for tests, of which any one may die.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::MetadataTopic;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::broker::{ATTEMPTS, Broker, BrokerOptions, REMEDY, Seat, jars};
use crate::bot::{SOON, until};
use crate::tool;

/// Enough that two are left of the controllers when one dies.
const BROKERS: usize = 3;
/// How long a broker may take to say what it knows; it may be the one that has just died.
const PATIENCE: Duration = Duration::from_secs(5);

/// Brokers that are controllers as well, with ids from 1 on.
pub(super) struct Cluster {
    brokers: Vec<Broker>,
    client: AdminClient<DefaultClientContext>,
}

/// A partition as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Led {
    /// The id of the broker that leads it; -1 where none does.
    pub(super) leader: i32,
    pub(super) replicas: usize,
    /// Replicas that have everything.
    pub(super) in_sync: usize,
}

/// The cluster with all of its brokers, for one test after the other. Topics get one replica unless
/// whoever creates them says otherwise. `None`: it had to be left out.
pub(super) async fn in_turn(test: &str) -> Option<MutexGuard<'static, Cluster>> {
    static CLUSTER: OnceCell<Option<Mutex<Cluster>>> = OnceCell::const_new();
    let started = CLUSTER.get_or_init(async || Cluster::start(test).map(Mutex::new)).await;
    let Some(cluster) = started else {
        tool::leave_out(test, REMEDY);
        return None;
    };
    let cluster = cluster.lock().await;
    // The test before may have left some dead.
    for broker in cluster.brokers.iter().filter(|broker| !broker.runs()) {
        broker.start_again();
    }
    assert!(cluster.brokers.iter().all(Broker::is_ready));
    Some(cluster)
}

impl Cluster {
    fn start(test: &str) -> Option<Cluster> {
        let jars = jars(test)?;
        let properties = [
            "default.replication.factor=1",
            // A broker that has died is known to have soon; one on a busy machine is not taken for it.
            "broker.session.timeout.ms=5000",
            "broker.heartbeat.interval.ms=500",
        ];
        let properties = properties.map(str::to_owned).into();
        let options = BrokerOptions { properties, ..BrokerOptions::default() };
        for _ in 0..ATTEMPTS {
            // None is ready before two are there.
            let seats = Seat::of_cluster(BROKERS);
            let brokers: Vec<Broker> =
                seats.iter().map(|seat| Broker::begin(&jars, seat, &options)).collect();
            if brokers.iter().all(Broker::is_ready) {
                let mut client = ClientConfig::new();
                let client = client.set("bootstrap.servers", addresses(&brokers));
                return Some(Cluster { client: client.create().unwrap(), brokers });
            }
        }
        panic!("no cluster started in {ATTEMPTS} attempts");
    }

    /// What a client is given as `bootstrap.servers`.
    pub(super) fn addresses(&self) -> String {
        addresses(&self.brokers)
    }

    /// A broker by its id.
    pub(super) fn broker(&self, id: i32) -> &Broker {
        &self.brokers[usize::try_from(id).unwrap() - 1]
    }

    /// The partitions of a topic, in their order; none where the cluster does not tell.
    pub(super) fn led(&self, topic: &str) -> Vec<Led> {
        let Ok(told) = self.client.inner().fetch_metadata(Some(topic), PATIENCE) else {
            return Vec::new();
        };
        let partitions = told.topics().iter().flat_map(MetadataTopic::partitions);
        let mut led: Vec<(i32, Led)> = partitions
            .map(|partition| {
                let led = Led {
                    leader: partition.leader(),
                    replicas: partition.replicas().len(),
                    in_sync: partition.isr().len(),
                };
                (partition.id(), led)
            })
            .collect();
        led.sort_by_key(|(id, _)| *id);
        led.into_iter().map(|(_, led)| led).collect()
    }

    /// Waits until every partition of a topic is so.
    pub(super) async fn all_are(&self, topic: &str, what: &str, holds: impl Fn(&Led) -> bool) {
        until(SOON, what, async || {
            let led = self.led(topic);
            !led.is_empty() && led.iter().all(&holds)
        })
        .await;
    }
}

fn addresses(brokers: &[Broker]) -> String {
    brokers.iter().map(Broker::address).collect::<Vec<String>>().join(",")
}
