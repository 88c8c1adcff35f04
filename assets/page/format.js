/** Numbers as a person reads them. */

/** A number with its sign (a true minus); zero has none. */
export function signed(value, digits = 2, plus = "+") {
  const rounded = Number(value.toFixed(digits)) + 0;
  const sign = rounded < 0 ? "−" : rounded > 0 ? plus : "";
  return sign + Math.abs(rounded).toFixed(digits);
}

/** The sign of per cent after a number, on the same line. */
export const PER_CENT = "\u00a0%";

/** A probability in per cent; never a certainty that the model does not have. */
export function perCent(probability) {
  if (probability >= 0.995) return `over 99${PER_CENT}`;
  if (probability <= 0.005) return `under 1${PER_CENT}`;
  return `${Math.round(100 * probability)}${PER_CENT}`;
}

/** A share without the leading zero, as statistics are printed: .97. */
export function share(value, digits = 2) {
  const text = value.toFixed(digits);
  return text.startsWith("0.") ? text.slice(1) : text;
}

/** "1 image", "3 images". */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
