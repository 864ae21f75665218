//! Who made a device, by the IEEE's lists as the crate `oui-data` has them.

use super::types::MacAddr;

/// The maker of a device. A made-up address has none.
pub(super) fn of(mac: MacAddr) -> Option<&'static str> {
    mac.oui()?;
    let organisation = oui_data::lookup(&mac.to_string())?.organization();
    // The IEEE's word for a maker who does not want to be named.
    (organisation != "Private").then_some(organisation)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F32: a maker only where the address is universal.
    #[test]
    fn a_universal_address_has_a_maker() {
        let vendor = |mac: &str| of(mac.parse().unwrap());
        assert_eq!(vendor("50:a6:d8:00:00:01"), Some("Apple, Inc."));
        // Smaller blocks within one prefix.
        assert_eq!(vendor("b8:4c:87:40:00:00"), Some("Blum Novotest GmbH"));
        assert_eq!(vendor("52:a6:d8:00:00:01"), None);
        assert_eq!(vendor("51:a6:d8:00:00:01"), None);
        // A prefix of the registry of company ids, which is never an address's.
        assert_eq!(vendor("ea:27:01:00:00:00"), None);
    }
}
