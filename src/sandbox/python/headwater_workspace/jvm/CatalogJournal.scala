package headwater.sandbox

import java.io.{ByteArrayOutputStream, ObjectInputStream, ObjectOutputStream}
import java.nio.file.{Files, Path, StandardCopyOption}

import scala.jdk.CollectionConverters._

import org.apache.spark.sql.catalyst.catalog._

/**
 * Keeps the session catalog's databases, tables and views in files, so that they outlive the JVM.
 *
 * Spark's own answer, a Hive metastore on Derby, costs seconds at every start and a lock per folder. Here each
 * database and table is one Java-serialised file, replaced by rename: `<folder>/<database>/<table>.table` and
 * `<folder>/<database>/.database`. The files are read by the same Spark version only (it is pinned).
 */
class CatalogJournal(folder: Path, catalog: ExternalCatalogWithListener) extends ExternalCatalogEventListener {

  /** Puts back what the files hold. Called once, before the first session, and before events are listened to. */
  def restore(): Unit = if (Files.isDirectory(folder)) {
    children(folder).foreach { database =>
      val marker = database.resolve(".database")
      if (Files.exists(marker)) {
        catalog.createDatabase(read(marker).asInstanceOf[CatalogDatabase], ignoreIfExists = true)
        children(database).filter(_.toString.endsWith(".table")).foreach { file =>
          catalog.createTable(read(file).asInstanceOf[CatalogTable], ignoreIfExists = true)
        }
      }
    }
  }

  override def onEvent(event: ExternalCatalogEvent): Unit = event match {
    case CreateDatabaseEvent(database) => writeDatabase(database)
    case AlterDatabaseEvent(database) => writeDatabase(database)
    case DropDatabaseEvent(database) => deleteFolder(folder.resolve(database))
    case CreateTableEvent(database, table) => writeTable(database, table)
    case AlterTableEvent(database, table, _) => writeTable(database, table)
    case DropTableEvent(database, table) => Files.deleteIfExists(tableFile(database, table))
    case RenameTableEvent(database, from, to) =>
      Files.deleteIfExists(tableFile(database, from))
      writeTable(database, to)
    case _ =>
  }

  private def writeDatabase(database: String): Unit =
    write(folder.resolve(database).resolve(".database"), catalog.getDatabase(database))

  private def writeTable(database: String, table: String): Unit =
    write(tableFile(database, table), catalog.getTable(database, table))

  private def tableFile(database: String, table: String): Path =
    folder.resolve(database).resolve(s"$table.table")

  private def children(of: Path): Seq[Path] = {
    val stream = Files.list(of)
    try stream.iterator().asScala.toVector
    finally stream.close()
  }

  private def deleteFolder(path: Path): Unit = if (Files.isDirectory(path)) {
    children(path).foreach(Files.delete)
    Files.delete(path)
  }

  private def read(file: Path): AnyRef = {
    val in = new ObjectInputStream(Files.newInputStream(file))
    try in.readObject()
    finally in.close()
  }

  private def write(file: Path, value: AnyRef): Unit = synchronized {
    val bytes = new ByteArrayOutputStream()
    val out = new ObjectOutputStream(bytes)
    out.writeObject(value)
    out.close()
    Files.createDirectories(file.getParent)
    val aside = file.resolveSibling(s"${file.getFileName}.new")
    Files.write(aside, bytes.toByteArray)
    Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING)
  }
}
