/** Vectors and matrices: the little of PyTorch that scoring needs. Sums are in 64 bits. */

/** A matrix (rows, columns) over a Float32Array, row after row. */
export class Matrix {
  constructor(data, columns) {
    this.data = data;
    this.columns = columns;
    this.rows = data.length / columns;
  }

  row(index) {
    return this.data.subarray(index * this.columns, (index + 1) * this.columns);
  }

  /** The product (rows,) with a vector (columns,). */
  times(vector) {
    return Float64Array.from({ length: this.rows }, (_, index) => dot(this.row(index), vector));
  }

  /** The product (columns,) of the transposed matrix with a vector (rows,). */
  transposedTimes(vector) {
    const result = new Float64Array(this.columns);
    for (let i = 0; i < this.rows; i++) {
      const row = this.row(i);
      for (let j = 0; j < this.columns; j++) result[j] += row[j] * vector[i];
    }
    return result;
  }
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

export function norm(vector) {
  return Math.sqrt(dot(vector, vector));
}

/** A vector divided by its norm; by 1e-12 where that is less, as PyTorch's F.normalize does. */
export function normalize(vector) {
  const length = Math.max(norm(vector), 1e-12);
  return Float64Array.from(vector, value => value / length);
}

export function softmax(values) {
  const largest = Math.max(...values);
  const powers = values.map(value => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map(value => value / sum);
}

/** Index of the first of the largest values. */
export function argmax(values) {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}

/** The quantile of sorted values, interpolated linearly, as torch.quantile does. */
export function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** How many of the sorted values are less than a value, and how many are at most it. */
export function ranks(sorted, value) {
  const search = before => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(sorted[middle])) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return [search(each => each < value), search(each => each <= value)];
}

export function rounded(value, digits) {
  return Number(value.toFixed(digits)) + 0;
}
