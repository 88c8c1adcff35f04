/** CLIP's byte-pair tokenizer, as open_clip's SimpleTokenizer, and the prompt of a symptom. */

const PATTERN = /<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;
const MARKERS = ["<start_of_text>", "<end_of_text>"];
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", deg: "°", micro: "µ", middot: "·", plusmn: "±", times: "×" };
const LIGATURES = { ﬀ: "ff", ﬁ: "fi", ﬂ: "fl", ﬃ: "ffi", ﬄ: "ffl", ﬅ: "ſt", ﬆ: "st", Ĳ: "IJ", ĳ: "ij", ŉ: "ʼn", Ǆ: "DŽ", ǅ: "Dž", ǆ: "dž", Ǉ: "LJ", ǈ: "Lj", ǉ: "lj", Ǌ: "NJ", ǋ: "Nj", ǌ: "nj" };

export class Tokenizer {
  /**
   * @param {string} merges one merge per line
   * @param {Object} backbone {start, end, context_length, name}
   */
  constructor(merges, { start, end, context_length: contextLength, name }) {
    const lines = merges.trimEnd().split("\n");
    this.bytes = byteLetters();
    const letters = [...this.bytes.values()];
    const words = [...letters, ...letters.map(letter => `${letter}</w>`), ...lines.map(line => line.replace(" ", "")), ...MARKERS];
    this.ids = new Map(words.map((word, index) => [word, index]));
    this.ranks = new Map(lines.map((line, index) => [line, index]));
    this.reserved = new Set(MARKERS.map(marker => this.ids.get(marker)));
    this.start = start;
    this.end = end;
    this.contextLength = contextLength;
    this.name = name;
    this.known = new Map(MARKERS.map(marker => [marker, [this.ids.get(marker)]])); // word -> ids
  }

  /** Ids of a text, without markers. */
  encode(text) {
    return (clean(text).match(PATTERN) ?? []).flatMap(word => {
      if (!this.known.has(word)) this.known.set(word, this.#pieces(word).map(piece => this.ids.get(piece)));
      return this.known.get(word);
    });
  }

  #pieces(word) {
    let parts = [...new TextEncoder().encode(word)].map(byte => this.bytes.get(byte));
    parts[parts.length - 1] += "</w>";
    while (parts.length > 1) {
      let best = Infinity;
      for (let i = 0; i + 1 < parts.length; i++) best = Math.min(best, this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity);
      if (best === Infinity) break;
      const joined = [];
      for (let i = 0; i < parts.length; i++) {
        if (i + 1 < parts.length && this.ranks.get(`${parts[i]} ${parts[i + 1]}`) === best) joined.push(parts[i] + parts[++i]);
        else joined.push(parts[i]);
      }
      parts = joined;
    }
    return parts;
  }

  /**
   * Tokens of a symptom's prompt between context and end marker. Throws an Error with a sentence, as vip_core's Backbone.
   * @param {number} context its number of vectors
   */
  promptTokens(symptom, context) {
    const words = symptom.trim().replace(/\.$/, "").trimEnd();
    if (!words) throw new Error("A symptom is empty; write what would be seen in the image, or remove the line.");
    const ids = this.encode(`${words}.`);
    if (ids.some(id => this.reserved.has(id))) {
      throw new Error(`The symptom “${shorten(`${words}.`)}” contains a marker that the text tower reserves, such as the start or the end of a text; remove it.`);
    }
    const size = ids.length + context + this.start.length + this.end.length;
    if (size > this.contextLength) {
      throw new Error(`The symptom “${shorten(symptom)}” makes a prompt of ${size} tokens, and the text tower of ${this.name} takes ${this.contextLength}; shorten it.`);
    }
    return ids;
  }
}

/** The commonest of what ftfy and html.unescape change in a text, then lower case with single spaces. */
export function clean(text) {
  const fixed = text
    .normalize("NFC")
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/[ﬀ-ﬆĲĳŉǄ-ǌ]/g, letter => LIGATURES[letter] ?? letter)
    .replace(/[\uff01-\uff5e]/g, letter => String.fromCharCode(letter.charCodeAt(0) - 0xfee0))
    .replace(/\u3000/g, " ")
    .replace(/[\0-\x08\x0b\x0e-\x1f\x7f\ufeff]/g, "");
  return unescapeEntities(unescapeEntities(fixed)).toLowerCase().split(/[\s\x1c-\x1f\x85]+/).filter(Boolean).join(" ");
}

function unescapeEntities(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    const code = hex ? parseInt(hex, 16) : decimal ? Number(decimal) : null;
    if (code === null) return ENTITIES[name] ?? whole;
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** A printable letter by byte, in the order of CLIP's vocabulary. */
function byteLetters() {
  const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const printable = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  const rest = range(0, 255).filter(byte => !printable.includes(byte));
  return new Map([
    ...printable.map(byte => [byte, String.fromCharCode(byte)]),
    ...rest.map((byte, index) => [byte, String.fromCharCode(256 + index)]),
  ]);
}

function shorten(text, length = 60) {
  const line = text.split(/\s+/).filter(Boolean).join(" ");
  return [...line].length <= length ? line : `${[...line].slice(0, length - 1).join("")}…`;
}
