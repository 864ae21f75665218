//! What a device is called: the name that UniFi's documents come to.
//!
//! Invariant: an empty text counts as no name. A name that was given in chat beats all of these.

use super::debezium::{Change, Fields};

/// Where a document comes from. The order is the precedence between two that name one MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    /// `unifi.ace.device`: the household's own network gear.
    Device,
    /// `unifi.ace.user`: whatever joined the network.
    User,
}

impl Collection {
    pub fn name(self) -> &'static str {
        match self {
            Collection::Device => "device",
            Collection::User => "user",
        }
    }
}

/// Makers whose devices are the network's own: their user documents name nobody.
const OWN_GEAR: &str = "Ubiquiti";

/// A document as far as it names a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    pub mac: Option<String>,
    pub name: Option<String>,
    pub hostname: Option<String>,
    pub oui: Option<String>,
    pub is_guest: Option<bool>,
}

impl Document {
    /// The document after a change; `None` when it is gone.
    pub fn changed(before: Option<Document>, change: Change) -> Option<Document> {
        match change {
            Change::Merge(fields) => Some(before.unwrap_or_default().with(fields)),
            Change::Delete(None) => None,
            Change::Delete(Some(after)) => Some(Document::default().with(after)),
        }
    }

    fn with(self, fields: Fields) -> Document {
        Document {
            mac: fields.mac.apply(self.mac),
            name: fields.name.apply(self.name),
            hostname: fields.hostname.apply(self.hostname),
            oui: fields.oui.apply(self.oui),
            is_guest: fields.is_guest.apply(self.is_guest),
        }
    }

    /// The name it gives its device (contract, section 2).
    pub fn device_name(&self, collection: Collection) -> Option<String> {
        if collection == Collection::Device {
            return self.name.clone();
        }
        if self.oui.as_deref() == Some(OWN_GEAR) {
            return None;
        }
        match (&self.name, &self.hostname) {
            (Some(name), Some(hostname)) => Some(format!("{name} ({hostname})")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => {
                let oui = self.oui.as_ref()?;
                let kind = if self.is_guest == Some(true) { "guest" } else { "nonguest" };
                Some(format!("{kind}_{oui}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::debezium::Field;
    use super::*;

    fn user(name: &str, hostname: &str, oui: &str, is_guest: bool) -> Option<String> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let document = Document {
            mac: None,
            name: text(name),
            hostname: text(hostname),
            oui: text(oui),
            is_guest: Some(is_guest),
        };
        document.device_name(Collection::User)
    }

    #[test]
    fn users_are_named_by_what_is_known() {
        assert_eq!(
            user("Robin's Kindle", "kindle", "Amazon", false).unwrap(),
            "Robin's Kindle (kindle)"
        );
        assert_eq!(user("", "kindle", "Amazon", false).unwrap(), "kindle");
        assert_eq!(user("Kindle", "", "Amazon", false).unwrap(), "Kindle");
        assert_eq!(user("", "", "Amazon", false).unwrap(), "nonguest_Amazon");
        assert_eq!(user("", "", "Amazon", true).unwrap(), "guest_Amazon");
        assert_eq!(user("", "", "", true), None);
        assert_eq!(user("Switch", "usw", "Ubiquiti", false), None);
    }

    #[test]
    fn a_change_without_a_mac_keeps_the_name_and_the_mac() {
        let before = Document {
            mac: Some("40:ec:99:1f:3e:75".to_owned()),
            name: Some("Laptop".to_owned()),
            ..Document::default()
        };
        let fields = Fields { hostname: Field::Set("lap".to_owned()), ..Fields::default() };
        let after = Document::changed(Some(before.clone()), Change::Merge(fields)).unwrap();
        assert_eq!((&after.mac, &after.name), (&before.mac, &before.name));
        assert_eq!(after.device_name(Collection::User).unwrap(), "Laptop (lap)");
        assert_eq!(Document::changed(Some(after), Change::Delete(None)), None);
    }
}
