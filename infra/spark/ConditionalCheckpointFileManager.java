package streamweir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;
import org.apache.spark.internal.io.cloud.AbortableStreamBasedCheckpointFileManager;

/**
 * Spark's files in a checkpoint on S3: one PUT each, and where a file must be new, the store itself makes sure.
 *
 * Spark's own manager looks whether the file is there, and then writes it without a condition.
 */
public final class ConditionalCheckpointFileManager extends AbortableStreamBasedCheckpointFileManager {
    private final FileSystem store;

    public ConditionalCheckpointFileManager(Path checkpoint, Configuration configuration) throws IOException {
        super(checkpoint, configuration);
        store = checkpoint.getFileSystem(configuration);
    }

    @Override
    @SuppressWarnings("unchecked")
    public CancellableFSDataOutputStream createAtomic(Path path, boolean overwriteIfPossible) {
        FSDataOutputStreamBuilder<FSDataOutputStream, ?> file = store.createFile(path);
        file.recursive().overwrite(overwriteIfPossible);
        file.must("fs.option.create.conditional.overwrite", !overwriteIfPossible);
        try {
            return new WholeFile(path, file.build());
        } catch (IOException error) {
            // Scala declares no exceptions, so neither may this.
            throw new UncheckedIOException(error);
        }
    }

    /** A file that is there from its close on, or never. */
    private static final class WholeFile extends CancellableFSDataOutputStream {
        private final Path path;
        private final FSDataOutputStream file;

        WholeFile(Path path, FSDataOutputStream file) {
            super(file);
            this.path = path;
            this.file = file;
        }

        @Override
        public void close() throws IOException {
            try {
                super.close();
            } catch (RemoteFileChangedException refused) {
                // What Spark takes as: another query is at work on this checkpoint.
                throw (IOException) new FileAlreadyExistsException(path.toString()).initCause(refused);
            }
        }

        @Override
        public void cancel() {
            file.abort();
        }
    }
}
