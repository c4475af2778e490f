/** Does something so many times, several at a time; the first failure is the whole's. @param work Given 0, 1, 2 ... */
export async function atOnce(
  several: number,
  times: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < times) await work(begun++);
  };
  await Promise.all(Array.from({ length: several }, worker));
}
