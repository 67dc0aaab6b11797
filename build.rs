//! What is embedded in the program is part of it: a changed fixture means a new build.

fn main() {
    for folder in [
        "build.rs",
        "fixtures/strategies",
        "fixtures/models",
        "fixtures/images",
        "scenarios",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
