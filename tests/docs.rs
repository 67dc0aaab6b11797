//! What the documentation shows must work: every scenario in it is validated.

use std::{path::Path, process::Command};

/// The fenced blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let after = page.split(fence.as_str()).skip(1);
    after
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block.to_owned())
        .collect()
}

fn every_scenario_of(page: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(page)).unwrap();
    let scenarios = blocks(&text, "yaml");
    assert!(scenarios.len() >= at_least, "{page} shows scenarios");
    let dir = tempfile::tempdir().unwrap();
    let shop = root.join("scenarios/own-model/shop");
    std::os::unix::fs::symlink(shop, dir.path().join("shop")).unwrap();
    for (index, scenario) in scenarios.iter().enumerate() {
        let file = dir.path().join(format!("{index}.yaml"));
        std::fs::write(&file, scenario).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_pgdrill"));
        let output = check.arg("check").arg(&file).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{page}, scenario {index}: {told}");
        assert_eq!(told, "", "{page}, scenario {index} warns");
    }
}

#[test]
fn every_scenario_of_the_readme_is_valid() {
    every_scenario_of("README.md", 1);
}

/// The page's own model is the shipped one, which `tests/drills.rs` drills.
#[test]
fn the_data_model_of_its_page_is_the_one_that_is_drilled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/data-model.md")).unwrap();
    let folder = root.join("scenarios/own-model");
    let manifest = std::fs::read_to_string(folder.join("shop/model.yaml")).unwrap();
    assert_eq!(blocks(&page, "model"), [manifest]);
    let [scenario] = &blocks(&page, "yaml")[..] else {
        panic!("the page shows one scenario");
    };
    let shipped = std::fs::read_to_string(folder.join("own-model-server-lost.yaml")).unwrap();
    let steps = |text: &str| text.split_once("\nsteps:").unwrap().1.to_owned();
    assert_eq!(steps(scenario), steps(&shipped));
}

#[test]
fn every_scenario_of_the_reference_is_valid() {
    every_scenario_of("docs/scenarios.md", 4);
    every_scenario_of("docs/data-model.md", 1);
}
