//! Links the program for a small memory: its tables of texts (vendors, time zones) need hundreds of
//! thousands of relocations, and in the packed form (glibc 2.36 and newer read it) they take a hundredth
//! of the six megabytes that every start would read and keep.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
