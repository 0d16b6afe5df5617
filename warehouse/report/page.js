"use strict";
// The page: reads the packed datasets, lets figures and tables show the chosen rows. Computes no number.
(async () => {
  const $ = id => document.getElementById(id);

  async function unpack(id) {
    const bytes = Uint8Array.from(atob($(id).textContent), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  // element with attributes, listeners (on…) and children; text is text, never HTML
  function el(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter(child => child !== null && child !== undefined));
    return made;
  }

  const columns = JSON.parse(await unpack("packed-data"));
  const data = {};
  for (const [name, column] of Object.entries(columns)) {
    const names = Object.keys(column), n = names.length ? column[names[0]].length : 0;
    data[name] = Array.from({ length: n }, (_, i) => Object.fromEntries(names.map(key => [key, column[key][i]])));
  }
  const described = Object.fromEntries(data.dictionary.map(row => [`${row.mart}.${row.column_name}`, row.description]));

  // --- numbers as people read them; null is not known ---

  const count = v => v === null ? "–" : v.toLocaleString("en-US");
  const percent = v => v === null ? "–" : (100 * v).toFixed(1) + "%";
  const number = v => v === null ? "–" : v === "inf" ? "∞" : v === "-inf" ? "−∞" : Number(v.toPrecision(3)).toLocaleString("en-US", { maximumSignificantDigits: 3 });
  const p = v => v !== null && v < 0.001 ? "< 0.001" : number(v);
  const bare = v => (100 * v).toFixed(1);
  const between = (low, high, as) => low === null && high === null ? "–" : `${as(low)}–${as(high)}`;
  const words = v => v === null ? "–" : v === true ? "yes" : v === false ? "no" : String(v);

  // kinds of cell: which columns of the mart it shows, and how
  const of = (label, n, all) => ({ label, from: [n, all], number: true,
    text: ([a, b]) => a === null && b === null ? "–" : `${count(a)} / ${count(b)}` });
  const share = (label, value, low, high) => ({ label, from: [value, low, high].filter(Boolean), number: true,
    text: ([v, l, h]) => v === null ? "–" : l === undefined || l === null ? percent(v) : `${percent(v)} (${between(l, h, bare)})` });
  const range = (label, low, high, as = percent) => ({ label, from: [low, high], number: true, text: ([l, h]) => between(l, h, as) });
  const ratio = (label, value, low, high) => ({ label, from: [value, low, high], number: true,
    text: ([v, l, h]) => v === null ? "–" : l === null && h === null ? number(v) : `${number(v)} (${between(l, h, number)})` });
  const whole = (label, column) => ({ label, from: [column], number: true, text: ([v]) => count(v) });
  const chance = (label, column) => ({ label, from: [column], number: true, text: ([v]) => p(v) });
  const real = (label, column) => ({ label, from: [column], number: true, text: ([v]) => number(v) });
  const says = (label, column, style) => ({ label, from: [column], style, text: ([v]) => words(v) });
  const year = (label, column) => ({ label, from: [column], number: true, text: ([v]) => words(v) });
  const link = (label, text, doi, url) => ({ label, from: [text], style: "words", text: ([v]) => words(v),
    href: row => row[doi] ? "https://doi.org/" + encodeURI(row[doi]) : /^https?:\/\//.test(row[url] ?? "") ? row[url] : null });

  const HPD = of("HPD / evaluable", "n_hpd", "n_evaluable");
  const POOLED = share("pooled (95 % CI)", "pooled_incidence", "pooled_ci_low", "pooled_ci_high");
  const PREDICTION = range("95 % prediction", "prediction_low", "prediction_high");
  const CANCER = says("cancer", "cancer_type", "words");
  const ruleOf = code => data.definitions.find(row => row.hpd_definition === code)?.rule ?? "not in the vocabulary";
  const METHODS = {
    glmm_logit_ml: "binomial-normal mixed model: the one shown everywhere", crude_wilson: "patients added up, Wilson interval",
    crude_clopper_pearson: "patients added up, exact interval", iv_logit_fixed: "inverse variance of log odds, one true value",
    iv_logit_dl: "inverse variance, DerSimonian-Laird", iv_logit_reml: "inverse variance, REML", iv_logit_pm: "inverse variance, Paule-Mandel",
    iv_logit_reml_hksj: "inverse variance, REML, Hartung-Knapp interval", freeman_tukey_dl: "double arcsine, DerSimonian-Laird",
    freeman_tukey_reml: "double arcsine, REML",
  };

  // mart whose words explain the columns, by which choices the rows are chosen, and columns; every download has all columns of the dataset
  const TABLES = {
    main: { mart: "hpd_amplification_by_cancer", title: "Incidence beside amplification", by: ["is_simulated", "basis", "hpd_definition", "gene_set"], columns: [
      CANCER, POOLED, HPD, whole("reports pooled", "n_reports_pooled"),
      share("TCGA (95 % CI)", "tcga_amplified_fraction", "tcga_amplified_ci_low", "tcga_amplified_ci_high"),
      of("TCGA amplified / assayed", "tcga_n_amplified", "tcga_n_assayed"),
      share("institutional (95 % CI)", "institutional_amplified_fraction", "institutional_amplified_ci_low", "institutional_amplified_ci_high"),
      of("institutional amplified / assayed", "institutional_n_amplified", "institutional_n_assayed"),
      says("its source", "institutional_source"), says("its unit", "institutional_unit"), PREDICTION] },
    reports: { mart: "hpd_reports", title: "Reports of this cancer type", by: ["is_simulated", "cancer_type_code"],
      also: (row, chosen) => chosen.hpd_definition === "ANY_PUBLISHED" || row.hpd_definition === chosen.hpd_definition,
      columns: [
        link("report", "report_id", "doi", "source_url"), says("author", "first_author"), year("year", "publication_year"),
        says("definition", "hpd_definition"), HPD,
        share("incidence (95 % CI)", "hpd_incidence", "hpd_ci_low", "hpd_ci_high"), says("drugs", "agents", "words"),
        says("PD-(L)1 inhibitor", "has_anti_pd1_pdl1"), says("with another class", "is_combination"),
        share("as printed", "hpd_incidence_reported"), says("HPD counted from the percentage", "is_n_hpd_derived"),
        says("in the pool of any definition", "in_any_pool"), says("in the pool of its own", "in_definition_pool"),
        says("why not", "pool_exclusion_reason", "words")] },
    methods: { mart: "hpd_incidence_methods", title: "Ways of pooling", by: ["is_simulated", "basis", "hpd_definition", "cancer_type_code"], columns: [
      { label: "method", from: ["method"], style: "words", text: ([v]) => METHODS[v] ? `${METHODS[v]} (${v})` : words(v) }, whole("reports", "n_reports_pooled"), HPD, POOLED, PREDICTION, real("τ²", "tau2"),
      real("I², %", "i2"), says("note", "note", "words")] },
    definitions: { mart: "hpd_incidence", title: "Definitions", from: "incidence", order: "definition_row", by: ["is_simulated", "basis", "cancer_type_code"], columns: [
      says("definition", "hpd_definition"), whole("reports", "n_reports"), whole("pooled", "n_reports_pooled"), HPD, POOLED,
      PREDICTION, range("lowest and highest as printed", "reported_incidence_low", "reported_incidence_high"),
      { label: "rule", from: ["hpd_definition"], style: "words", text: ([v]) => ruleOf(v) }] },
    agreement: { mart: "hpd_by_definition", title: "Two definitions, the same patients", by: ["is_simulated"], columns: [
      says("trial", "trial_id"), says("treatment", "treatment_class"), says("definition", "hpd_definition"),
      says("other", "other_definition"), whole("patients", "n_patients"), whole("both evaluable", "n_both_evaluable"),
      whole("HPD", "n_hpd"), whole("HPD, other", "n_hpd_other"), whole("by both", "n_hpd_both"), whole("by either", "n_hpd_either"),
      real("κ", "agreement_kappa")] },
    ttf: { mart: "ttf_sensitivity", title: "Treatment failure", by: ["is_simulated", "hpd_definition"], columns: [
      says("trial", "trial_id"), says("failure is", "ttf_event"), real("within, days", "ttf_cut_days"), whole("patients", "n_patients"),
      HPD, share("incidence (95 % CI)", "hpd_incidence", "hpd_ci_low", "hpd_ci_high")] },
    evaluability: { mart: "hpd_evaluability", title: "Outcome and reason", by: ["is_simulated", "hpd_definition"], columns: [
      says("trial", "trial_id"), CANCER, says("treatment", "treatment_class"), says("outcome", "outcome"),
      says("reason", "reason", "words"), whole("patients", "n_patients")] },
    amplification: { mart: "amplification_by_cancer", title: "Amplification, every cancer type", by: ["is_simulated", "gene_set"], columns: [
      CANCER, says("source", "source"), says("unit", "unit"), whole("studies", "n_studies"), whole("all samples", "n_samples_all"),
      of("amplified / assayed", "n_amplified", "n_assayed"),
      share("fraction (95 % CI)", "amplified_fraction", "amplified_ci_low", "amplified_ci_high"), says("calls", "call_method", "words")] },
    association: { mart: "hpd_amplification_association", title: "Association across cancer types",
      by: ["is_simulated", "basis", "hpd_definition", "gene_set", "source_class"], columns: [
      says("left out", "left_out_cancer_type_code"), whole("cancer types", "n_cancers"),
      ratio("Spearman ρ (95 % CI)", "spearman", "spearman_low", "spearman_high"), chance("p", "spearman_p"),
      ratio("slope, log odds per 10 points (95 % CI)", "slope", "slope_low", "slope_high"), chance("p of slope", "slope_p"),
      real("Pearson", "pearson"), real("Pearson, weighted", "pearson_weighted")] },
    two_by_two: { mart: "hpd_by_amplification_status", title: "Two-by-two tables", by: ["is_simulated"], columns: [
      link("report", "report_id", "doi", "source_url"), CANCER, says("genes", "gene_set"), says("altered by", "alteration"),
      says("outcome", "outcome"), says("definition", "hpd_definition"), of("outcome / altered", "n_altered_with_outcome", "n_altered"),
      of("outcome / unaltered", "n_unaltered_with_outcome", "n_unaltered"),
      ratio("odds ratio (95 % CI)", "odds_ratio", "odds_ratio_ci_low", "odds_ratio_ci_high"), chance("p", "fisher_p"),
      says("all four cells", "is_complete")] },
    two_by_two_pooled: { mart: "hpd_by_amplification_pooled", title: "All tables together (Mantel-Haenszel)", by: ["is_simulated"], columns: [
      says("basis", "basis"), says("definition", "hpd_definition"), says("genes", "gene_set"), whole("tables", "n_strata"),
      whole("altered, outcome", "n_altered_with_outcome"), whole("altered, none", "n_altered_without_outcome"),
      whole("unaltered, outcome", "n_unaltered_with_outcome"), whole("unaltered, none", "n_unaltered_without_outcome"),
      ratio("odds ratio (95 % CI)", "odds_ratio", "odds_ratio_ci_low", "odds_ratio_ci_high"), chance("p", "mantel_haenszel_p")] },
    by_year: { mart: "hpd_incidence_by_year", title: "Reports up to a year", by: ["is_simulated", "hpd_definition", "cancer_type_code"], columns: [
      year("up to", "up_to_year"), whole("reports", "n_reports_pooled"), HPD, POOLED, PREDICTION, real("τ²", "tau2"), real("I², %", "i2"),
      says("note", "note", "words")] },
    attrition: { mart: "attrition", title: "Steps and reasons", by: [], columns: [
      says("evidence", "evidence"), says("origin", "data_origin"), says("step", "step"), says("reason", "reason", "words"),
      whole("rows", "n_rows"), whole("patients", "n_patients")] },
    reference: { mart: "reference_study", title: "Ju 2019, and here", by: [], columns: [
      says("quantity", "quantity"), CANCER, says("genes", "gene_set"), says("printed", "printed_as"), of("here, counts", "our_numerator", "our_denominator"),
      { label: "here", from: ["our_value", "unit"], number: true, text: ([v, unit]) => unit === "fraction" ? percent(v) : count(v) },
      says("note", "note", "words")] },
    quality: { mart: "data_quality", title: "Rejected and flagged rows", by: [], columns: [
      says("file", "source_file", "words"), says("table", "table_name"), says("severity", "severity"), says("rule", "rule", "words"),
      says("column", "column_name"), whole("rows", "n_rows"), whole("first line", "first_line"), whole("last line", "last_line")] },
    inputs: { mart: "release_inputs", title: "Inputs of this release", by: [], columns: [
      says("file", "source_file", "words"), says("table", "table_name"), says("origin", "data_origin"), whole("rows read", "rows_read"),
      whole("loaded", "rows_loaded"), whole("rejected", "rows_rejected"), whole("bytes", "n_bytes"), says("SHA-256", "sha256", "code")] },
    dictionary: { mart: "data_dictionary", title: "Columns of the marts", by: [], columns: [
      says("mart", "mart"), says("column", "column_name"), says("unit", "unit"), says("what it says", "description", "words")] },
  };

  // --- what is chosen: the address remembers it, so that a view can be sent to somebody ---

  const DEFAULT = JSON.parse($("specs").textContent).selected;
  // what somebody asked for, and what of it is there: another definition may lack the cancer type, and the next one have it
  const wanted = { ...DEFAULT }, chosen = {};
  let named = [];  // what the address asked for, until something is clicked
  const readAddress = () => {
    Object.assign(wanted, DEFAULT);
    named = [];
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
      if (!Object.hasOwn(wanted, key)) continue;
      wanted[key] = key === "is_simulated" ? value === "true" : value;
      named.push(key);
    }
  };
  const distinct = (rows, key) => [...new Set(rows.map(row => row[key]))];
  const match = (row, keys) => keys.every(key => row[key] === chosen[key]);

  // what can be chosen, each within what was chosen before it
  const OPTIONS = {
    is_simulated: () => distinct(data.incidence.length ? data.incidence : data.amplification, "is_simulated"),
    basis: () => distinct(data.incidence.filter(row => match(row, ["is_simulated"])), "basis"),
    hpd_definition: () => distinct(data.incidence.filter(row => match(row, ["is_simulated", "basis"])), "hpd_definition")
      .sort((a, b) => (b === "ANY_PUBLISHED") - (a === "ANY_PUBLISHED") || a.localeCompare(b)),
    gene_set: () => distinct(data.amplification.filter(row => match(row, ["is_simulated"])), "gene_set").sort(),
    source_class: () => distinct(data.amplification.filter(row => match(row, ["is_simulated"])), "source_class").sort().reverse(),
    cancer_type_code: () => distinct(
      data.incidence.filter(row => match(row, ["is_simulated", "basis", "hpd_definition"])).toSorted((a, b) => a.cancer_type.localeCompare(b.cancer_type)),
      "cancer_type_code"),
  };
  // a choice that is not there gives way to the default, and that to the one with most behind it
  function settle() {
    Object.assign(chosen, wanted);
    for (const [key, options] of Object.entries(OPTIONS)) {
      const there = options();
      if (there.includes(chosen[key]) || !there.length) continue;
      if (there.includes(DEFAULT[key])) { chosen[key] = DEFAULT[key]; continue; }
      const weight = value => Math.max(...data.incidence.filter(row => row[key] === value && match(row, ["is_simulated"])).map(row => row.n_reports_pooled), 0);
      chosen[key] = there.toSorted((a, b) => weight(b) - weight(a))[0];
    }
  }

  const LABELS = {
    is_simulated: { title: "Data", name: v => v ? "simulated" : "real" },
    basis: { title: "Incidence", name: v => v === "reported" ? "as reported" : "computed from patients" },
    gene_set: { title: "Gene set", name: v => v },
    source_class: { title: "Amplification in", name: v => v === "tcga" ? "TCGA" : v },
    hpd_definition: { title: "Definition of HPD", select: true, name: v => v === "ANY_PUBLISHED" ? "ANY_PUBLISHED: any of them" : v },
    cancer_type_code: { title: "Cancer type", select: true, name: v => {
      const row = data.incidence.find(row => row.cancer_type_code === v && match(row, ["is_simulated", "basis", "hpd_definition"]));
      return !row ? v : row.cancer_type + (row.is_suppressed ? " (suppressed)" : row.n_reports_pooled ? "" : " (not pooled)");
    } },
  };

  function showChoices() {
    const focused = document.activeElement?.id;
    $("choices").replaceChildren(...Object.entries(LABELS).map(([key, { title, select, name }]) => {
      const options = OPTIONS[key]();
      if (options.length < 2 && !select) return "";
      const set = value => choose({ [key]: value });
      if (select) {
        const box = el("select", { id: key, onchange: event => set(event.target.value) },
          ...options.map(value => el("option", { value, selected: value === chosen[key] }, name(value))));
        return el("div", {}, el("label", { class: "above", for: key }, title), box);
      }
      return el("fieldset", {}, el("legend", {}, title), ...options.map((value, i) => el("span", {},
        el("input", { type: "radio", name: key, id: `${key}-${i}`, value: String(value), checked: value === chosen[key], onchange: () => set(value) }),
        el("label", { for: `${key}-${i}` }, name(value)))));
    }));
    if (focused) $(focused)?.focus();
  }

  // --- tables ---

  const FORMULA = /^[\s'"]*[=+\-@\t\r]/;
  const PAGE = 20, PRINTED = 500;

  function csv(dataset, rows) {
    const names = Object.keys(columns[dataset]).filter(name => !/(^|_)row$|^is_drawn$|^is_all_trials$/.test(name));
    const cell = value => {
      if (value === null) return "";
      let text = String(value);
      if (typeof value === "string" && FORMULA.test(text)) text = "'" + text;  // a spreadsheet would run it
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [names, ...rows.map(row => names.map(name => row[name]))].map(line => line.map(cell).join(",")).join("\n") + "\n";
  }

  function save(name, text) {
    const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  function table(place) {
    const id = place.dataset.table, { mart, title, from, by, also, order, columns } = TABLES[id];
    const state = { sort: null, down: false, filter: "", page: 0, size: PAGE };
    const all = order ? data[from ?? id].toSorted((a, b) => a[order].localeCompare(b[order])) : data[from ?? id];
    const shown = () => {
      let rows = all.filter(row => match(row, by) && (!also || also(row, chosen)));
      if (state.filter) {
        const wanted = state.filter.toLowerCase();
        const has = text => String(text ?? "").toLowerCase().includes(wanted);
        rows = rows.filter(row => columns.some(column => {
          const values = column.from.map(key => row[key]);
          return has(column.text(values)) || values.some(has);  // 1,302 as it is shown, or 1302 as it is
        }));
      }
      if (state.sort !== null) {
        const key = columns[state.sort].from[0], way = state.down ? -1 : 1;
        const rank = v => v === "inf" ? Infinity : v;
        rows = rows.toSorted((a, b) => {
          const [x, y] = [rank(a[key]), rank(b[key])];
          if (x === null || y === null) return (x === null) - (y === null);  // not known: last, either way
          return way * (typeof x === "string" ? x.localeCompare(y) : x - y);
        });
      }
      return rows;
    };
    const counted = el("span", { class: "count" });
    const filter = el("input", { type: "search", placeholder: "filter", "aria-label": `Filter: ${title}`,
      oninput: event => { state.filter = event.target.value; state.page = 0; draw(); announce(); } });
    const announce = () => { $("announced").textContent = `${title}: ${counted.textContent}`; };
    const download = el("button", { type: "button", onclick: () => save(`${id}.csv`, csv(from ?? id, shown())) }, "CSV");
    download.setAttribute("aria-label", `Download as CSV: ${title}`);
    const back = el("button", { type: "button", "aria-label": `Previous rows: ${title}`, onclick: () => { state.page -= 1; draw(); announce(); } }, "‹");
    const on = el("button", { type: "button", "aria-label": `Next rows: ${title}`, onclick: () => { state.page += 1; draw(); announce(); } }, "›");
    const head = el("tr"), body = el("tbody");
    const heads = columns.map((column, i) => {
      const tip = described[`${mart}.${column.from[0]}`];
      const button = el("button", { type: "button", title: tip, onclick: () => {
        state.down = state.sort === i && !state.down; state.sort = i; draw();
      } }, column.label);
      return el("th", { scope: "col", class: column.number ? "number" : null }, button);
    });
    head.append(...heads);
    place.replaceChildren(
      el("div", { class: "tools" }, counted, filter, back, on, download),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
        el("table", {}, el("caption", {}, title), el("thead", {}, head), body)));

    function draw() {
      const rows = shown(), pages = Math.max(1, Math.ceil(rows.length / state.size));
      state.page = Math.min(Math.max(state.page, 0), pages - 1);
      const first = state.page * state.size, page = rows.slice(first, first + state.size);
      counted.textContent = rows.length > state.size ? `rows ${first + 1}–${first + page.length} of ${count(rows.length)}`
        : `${count(rows.length)} row${rows.length === 1 ? "" : "s"}`;
      if (state.filter) counted.textContent += ` with “${state.filter}”`;
      back.hidden = on.hidden = pages === 1;
      back.disabled = state.page === 0;
      on.disabled = state.page === pages - 1;
      heads.forEach((th, i) => i === state.sort ? th.setAttribute("aria-sort", state.down ? "descending" : "ascending") : th.removeAttribute("aria-sort"));
      body.replaceChildren(...page.map(row => el("tr", {}, ...columns.map(column => {
        const values = column.from.map(key => row[key] ?? null);
        // a count of few patients is kept back; what is not known of tumours, or of one report, is not
        const blank = row.is_suppressed === true && column.number && values[0] === null && !/^(tcga|institutional|prediction)_/.test(column.from[0]);
        const text = blank ? "suppressed" : column.text(values), href = column.href?.(row);
        const cell = el("td", { class: [column.number && "number", column.style].filter(Boolean).join(" ") || null,
          "data-columns": column.from.join(" "), "data-values": JSON.stringify(values) },
          href ? el("a", { href, rel: "noreferrer" }, text) : text);
        return cell;
      }))));
      if (!page.length) body.append(el("tr", {}, el("td", { colspan: columns.length }, state.filter ? "Nothing matches the filter." : "Nothing for this choice.")));
    }
    return {
      draw: () => { state.page = 0; draw(); },
      print: isPrinted => { state.size = isPrinted ? PRINTED : PAGE; draw(); },
    };
  }

  // --- figures ---

  const vega = await unpack("packed-vega");
  new Function(vega)();  // a scope of its own: the bundle's short names must not meet ours
  const { figures } = JSON.parse($("specs").textContent);
  const narrow = matchMedia("(max-width: 600px)");
  async function figure(place) {
    const id = place.dataset.figure, { spec, reads, by, needs, step, row: line } = figures[id];
    const caption = place.querySelector("p");
    const plot = el("div", { class: "plot" }), none = el("p", { class: "empty", hidden: true }, "Nothing to draw for this choice.");
    place.replaceChildren(el("figure", {}, plot, none, caption ? el("figcaption", {}, ...caption.childNodes) : null));
    let view = null;
    async function embed() {
      const params = spec.params.map(({ name }) => ({ name, value: name === "narrow" ? narrow.matches : chosen[name] }));
      const datasets = Object.fromEntries(reads.map(name => [name, data[name]]));
      // Vega-Lite has no word for an axis whose labels can be clicked, and its description of an axis gets lost
      const patch = made => {
        const names = made.axes?.find(axis => axis.description);
        if (names) names.encode.axis = { update: { description: { value: names.description } } };
        if (id === "overview") names.encode.labels.interactive = true;
        return made;
      };
      const made = await window.vegaEmbed(plot, { ...spec, params, datasets }, { actions: false, renderer: "svg", logLevel: 1, tooltip: { theme: "custom" }, patch });
      if (id === "overview") {
        made.view.addEventListener("click", (_, item) => {
          const row = item?.datum?.cancer_type_code ? item.datum : data.incidence.find(row => row[line] === item?.datum?.value && match(row, by));
          if (row) choose({ cancer_type_code: row.cancer_type_code });
        });
      }
      return made.view;
    }
    return {
      draw: async () => {
        const rows = data[reads[0]].filter(row => match(row, by) && needs.every(key => row[key] !== null && row[key] !== false));
        const wasHidden = plot.hidden;
        plot.hidden = !rows.length || place.closest("[hidden]") !== null;
        place.querySelector("figcaption")?.toggleAttribute("hidden", plot.hidden);
        none.hidden = rows.length > 0;
        place.dataset.rows = rows.length;
        if (plot.hidden) return;  // it has no size
        view ??= await embed();
        for (const key of Object.keys(DEFAULT)) view.signal(key, chosen[key]);
        view.signal("narrow", narrow.matches);
        if (step) view.height(step * distinct(rows, line).length);
        if (wasHidden) window.dispatchEvent(new Event("resize"));  // what was hidden had no width to be as wide as
        await view.resize().runAsync();
      },
    };
  }

  // --- words ---

  // a definition may be in the release, and not with the other choices
  function notThere(key) {
    const { title, name } = LABELS[key], asked = key === "is_simulated" ? name(wanted[key]) : wanted[key];
    const elsewhere = [...data.incidence, ...data.amplification].some(row => row[key] === wanted[key]);
    return `${title}: ${asked} is not in this release${elsewhere ? " with the other choices" : ""}; shown: ${name(chosen[key])}.`;
  }

  function showWords() {
    const association = data.association.find(row => row.left_out_cancer_type_code === "NONE"
      && match(row, ["is_simulated", "basis", "hpd_definition", "gene_set", "source_class"]));
    $("finding").textContent = association?.finding ?? "No cancer type has both sides known under this choice.";
    const definition = data.definitions.find(row => row.hpd_definition === chosen.hpd_definition);
    $("rule").textContent = definition ? `${definition.rule}${definition.cited_as ? ` (${definition.cited_as})` : ""}.` : `${chosen.hpd_definition}.`;
    const genes = data.gene_sets.find(row => row.gene_set === chosen.gene_set);
    $("genes").textContent = `${genes?.description ?? chosen.gene_set}.`;
    $("missing").textContent = named.filter(key => chosen[key] !== wanted[key]).map(notThere).join(" ");
    $("simulated").hidden = chosen.is_simulated !== true;
    const name = LABELS.cancer_type_code.name(chosen.cancer_type_code);
    for (const place of document.querySelectorAll("[data-basis]")) place.hidden = chosen.basis !== place.dataset.basis;
    const one = chosen.basis === "computed" ? "trial" : "report";
    document.querySelector(".members").textContent = one === "trial" ? "Trials" : "Reports";
    for (const place of document.querySelectorAll(".cancer")) place.textContent = name;
    $("line").hidden = !data.line.some(row => match(row, ["is_simulated", "basis", "hpd_definition", "gene_set", "source_class"]));
    const sources = chosen.source_class === "tcga" ? [] : distinct(
      data.main.filter(row => row.has_amplification && row.pooled_incidence !== null && row.institutional_source !== null
        && match(row, ["is_simulated", "basis", "hpd_definition", "gene_set"]))
        .map(row => ({ name: `${row.institutional_source} (counts ${row.institutional_unit}s)` })), "name");
    $("sources").textContent = sources.length ? `Amplification from ${sources.join(", ")}. ` : "";
    const pooled = data.incidence.find(row => match(row, ["is_simulated", "basis", "hpd_definition", "cancer_type_code"]));
    const i2 = pooled?.i2 ?? null;
    $("heterogeneity").textContent = pooled?.is_suppressed ? "Suppressed: too few patients to be shown." : !pooled || pooled.pooled_incidence === null ? `No ${one} is pooled under this choice.`
      : `Pooled ${percent(pooled.pooled_incidence)} (95 % CI ${between(pooled.pooled_ci_low, pooled.pooled_ci_high, bare)}) from ${count(pooled.n_reports_pooled)} `
        + `${one}${pooled.n_reports_pooled === 1 ? "" : "s"}, ${count(pooled.n_hpd)} of ${count(pooled.n_evaluable)} patients; ${pooled.pooling_method}. `
        + (i2 === null ? "" : `Heterogeneity: I² ${number(i2)} %, τ² ${number(pooled.tau2)}, Q ${number(pooled.heterogeneity_q)}, p ${p(pooled.heterogeneity_p)}. `)
        + (pooled.prediction_low === null ? "" : `The true incidence behind a further ${one}: ${between(pooled.prediction_low, pooled.prediction_high, percent)} (95 % prediction interval). `
          + (pooled.n_reports_pooled > 4 ? "" : `From ${pooled.n_reports_pooled} ${one}s τ² is hardly known, and this interval may be much too narrow. `))
        + (pooled.small_study_p === null ? pooled.small_study_note ? `Small-study test: ${pooled.small_study_note}.` : "" : `Small-study test: p ${p(pooled.small_study_p)}.`);
  }

  // a flow per kind of evidence: read, what left and why, what counts
  function showAttrition() {
    const rows = data.attrition, flows = distinct(rows.map(row => ({ key: `${row.evidence}, ${row.data_origin}` })), "key");
    $("attrition").append(...flows.map(flow => {
      const mine = rows.filter(row => `${row.evidence}, ${row.data_origin}` === flow);
      const steps = distinct(mine, "step").map(step => mine.filter(row => row.step === step));
      return el("div", {}, el("h3", {}, flow.replaceAll("_", " ")), el("ol", { class: "flow" }, ...steps.map(reasons => {
        const out = reasons[0].step_number > 1 && reasons[0].step_number < 5;
        const line = row => el("li", { "data-values": JSON.stringify([row.n_rows, row.n_patients]) },
          `${row.reason}: ${row.is_suppressed ? "suppressed" : count(row.n_rows)}${row.n_patients === null ? "" : ` (${count(row.n_patients)} patients)`}`);
        return el("li", { class: out ? "out" : null }, el("b", {}, reasons[0].step), el("ul", {}, ...reasons.map(line)));
      })));
    }));
  }

  function showRelease() {
    const release = data.release[0];
    const facts = { release_id: "Release", built_at: "Built at, UTC", fingerprint: "Fingerprint", hpd_version: "hpd-warehouse", duckdb_version: "DuckDB",
      rows_loaded: "Rows loaded", rows_rejected: "Rows rejected", n_findings: "Findings", dbt_nodes: "Built and passed" };
    $("release").append(...Object.entries(facts).flatMap(([key, label]) => [el("dt", {}, label),
      el("dd", { "data-columns": key, "data-values": JSON.stringify([release[key]]) }, words(release[key]))]));
  }

  // --- all together ---

  const shown = [];
  let drawing = Promise.resolve();

  // one drawing after the other, the last choice last
  function choose(change) {
    Object.assign(wanted, change);
    if (Object.keys(change).length) named = [];
    settle();
    history.replaceState(null, "", "#" + new URLSearchParams(Object.entries(chosen).filter(([key, value]) => value !== DEFAULT[key])));
    showChoices();
    showWords();
    drawing = drawing.catch(() => {}).then(async () => {
      const drawn = JSON.stringify(chosen);
      for (const part of shown) await part.draw();
      if (drawn === JSON.stringify(chosen)) document.body.dataset.ready = drawn;
    });
    return drawing;
  }

  for (const place of document.querySelectorAll("[data-needs]")) place.hidden = !data[place.dataset.needs].length;
  readAddress();
  settle();
  showAttrition();
  showRelease();
  for (const place of document.querySelectorAll("[data-table]")) shown.push(table(place));
  for (const place of document.querySelectorAll("[data-figure]")) if (!place.closest("[hidden]")) shown.push(await figure(place));
  narrow.addEventListener("change", () => choose({}));
  // a fragment without "=" is a place on the page; the skip link leaves the address, and with it the choices, alone
  window.addEventListener("hashchange", () => {
    if (location.hash && !location.hash.includes("=")) return;
    readAddress();
    choose({});
  });
  $("skip").addEventListener("click", event => { event.preventDefault(); $("findings").focus(); });
  window.addEventListener("beforeprint", () => shown.forEach(part => part.print?.(true)));
  window.addEventListener("afterprint", () => shown.forEach(part => part.print?.(false)));
  await choose({});
})().catch(error => {
  document.body.prepend(Object.assign(document.createElement("p"), { className: "banner", textContent: `This browser cannot show the whole page (${error.message}); any of the last three years can.` }));
  throw error;
});
