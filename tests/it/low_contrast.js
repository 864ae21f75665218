// Texts whose contrast to what is behind them is below 4.5:1.
const parts = (color) => {
  const numbers = color.match(/[\d.]+/g).map(Number);
  return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 };
};
const over = (top, bottom) => top.rgb.map((value, at) => value * top.alpha + bottom[at] * (1 - top.alpha));
// Transparent layers are laid over what their ancestors show; below all is the canvas.
const background = (node) => {
  if (!node) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const own = parts(getComputedStyle(node).backgroundColor);
  return own.alpha === 1 ? own.rgb : over(own, background(node.parentElement));
};
const luminance = (rgb) => {
  const [red, green, blue] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const found = [];
const judge = (node, color, text) => {
  const behind = background(node);
  const ratio = contrast(over(parts(color), behind), behind);
  if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${node.tagName}.${node.className} ${text}`);
};
let judged = 0;
for (const node of document.body.querySelectorAll("*")) {
  const texts = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
  const seen = node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length;
  if (!seen || ["SCRIPT", "STYLE"].includes(node.tagName)) continue;
  if (texts.length) {
    judged += 1;
    judge(node, getComputedStyle(node).color, texts[0].data.trim().slice(0, 30));
  }
  if (node.placeholder) judge(node, getComputedStyle(node, "::placeholder").color, node.placeholder);
}
if (judged === 0) found.push("no text at all");
return found;
