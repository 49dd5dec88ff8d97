//! The figures in `docs/`: they stand between two marks in a text that is written by hand.

use crate::Outcome;
use std::fs;
use std::path::Path;

/// Replaces what is between the marks in `docs/performance.md`, and writes the charts beside it.
pub(super) fn write(table: &str, charts: &[(String, String)]) -> Outcome<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("performance.md");
    let mut text = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let mut shown = String::new();
    for (name, chart) in charts {
        fs::create_dir_all(docs.join("performance"))?;
        fs::write(docs.join("performance").join(name), chart)?;
        let what = name.trim_end_matches(".svg").replace('-', " ");
        shown.push_str(&format!("![{what}](performance/{name})\n\n"));
    }
    replace_marked(&mut text, "servers", &format!("{shown}{}", table.trim()))?;
    fs::write(&page, text)?;
    eprintln!("written: {}", page.display());
    Ok(())
}

/// Replaces the text between `<!-- begin NAME -->` and `<!-- end NAME -->`.
fn replace_marked(text: &mut String, name: &str, content: &str) -> Outcome<()> {
    let (begin, end) = (format!("<!-- begin {name} -->"), format!("<!-- end {name} -->"));
    let from = text.find(&begin).map(|at| at + begin.len());
    let (Some(from), Some(to)) = (from, text.find(&end)) else {
        return Err(format!("the text has no marks {begin} and {end}").into());
    };
    text.replace_range(from..to, &format!("\n\n{content}\n\n"));
    Ok(())
}
