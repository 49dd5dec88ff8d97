//! The figures in `docs/performance.md`: they stand between marks in a text that is otherwise written by hand.

use crate::Outcome;
use std::fs;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Writes a chart beside the page; returns the Markdown that shows it.
pub(crate) fn write_chart(name: &str, chart: &str) -> Outcome<String> {
    let charts = directory().join("performance");
    fs::create_dir_all(&charts)?;
    fs::write(charts.join(name), chart)?;
    let what = name.trim_end_matches(".svg").replace('-', " ");
    Ok(format!("![{what}](performance/{name})\n\n"))
}

/// Replaces what is in the page between `<!-- begin NAME -->` and `<!-- end NAME -->`.
pub(crate) fn replace_marked(name: &str, content: &str) -> Outcome<()> {
    let page = directory().join("performance.md");
    let mut text = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (begin, end) = (format!("<!-- begin {name} -->"), format!("<!-- end {name} -->"));
    let from = text.find(&begin).map(|at| at + begin.len());
    let (Some(from), Some(to)) = (from, text.find(&end)) else {
        return Err(format!("{} has no marks {begin} and {end}", page.display()).into());
    };
    text.replace_range(from..to, &format!("\n\n{}\n\n", content.trim()));
    fs::write(&page, text)?;
    eprintln!("written: {}", page.display());
    Ok(())
}
